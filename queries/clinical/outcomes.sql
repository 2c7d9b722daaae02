-- title: Discharge outcomes
-- subject: clinical
-- question: How do stays in hospital end?
-- chart: stacked bar
-- x: department
-- y: stays
-- series: outcome
-- unit: stays
-- date: date
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
)
SELECT
    v.date,
    v.facility.id AS facility_id,
    v.department.name AS department,
    v.admission.type AS admission,
    v.admission.outcome AS outcome,
    count(*) AS stays
FROM hospital.visits AS v
CROSS JOIN params
WHERE v.date BETWEEN params.from_date AND params.to_date
  AND v.admission.outcome IS NOT NULL
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
