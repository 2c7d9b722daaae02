-- title: Arrivals by weekday
-- subject: operational
-- question: Which days are busy?
-- chart: stacked bar
-- x: weekday
-- y: visits
-- series: kind
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
    v.facility.id AS facility_id,
    day_of_week(v.visit_date) AS weekday,
    v.kind,
    count(*) AS visits
FROM hospital.visits AS v
CROSS JOIN params
WHERE v.date BETWEEN params.from_date AND params.to_date
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
