-- title: Length of stay
-- subject: operational
-- question: How long do patients stay, by ward and outcome?
-- chart: bar
-- x: ward
-- y: hours / 24 / stays
-- series: outcome
-- unit: days
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
    v.admission.ward AS ward,
    v.admission.outcome AS outcome,
    count(*) AS stays,
    sum(date_diff('hour', v.admission.admitted_at, v.admission.discharged_at)) AS hours
FROM hospital.visits AS v
CROSS JOIN params
WHERE v.date BETWEEN params.from_date AND params.to_date
  AND v.admission.discharged_at IS NOT NULL
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
