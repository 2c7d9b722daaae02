-- title: New and returning patients
-- subject: administrative
-- question: How many patients are here for the first time?
-- chart: stacked bar
-- x: month
-- y: first_visits, later_visits
-- unit: visits
-- date: date
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
)
SELECT
    v.date,
    substr(v.date, 1, 7) AS month,
    v.facility.id AS facility_id,
    count(*) FILTER (WHERE v.new_patient) AS first_visits,
    count(*) FILTER (WHERE NOT v.new_patient) AS later_visits
FROM hospital.visits AS v
CROSS JOIN params
WHERE v.date BETWEEN params.from_date AND params.to_date
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
