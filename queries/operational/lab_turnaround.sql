-- title: Lab turnaround
-- subject: operational
-- question: How many hours from the order to the report?
-- chart: bar
-- x: test
-- y: minutes / 60 / reports
-- series: priority
-- unit: hours
-- date: date
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
)
SELECT
    l.date,
    l.facility.id AS facility_id,
    l.test.name AS test,
    l.priority,
    count(*) AS orders,
    count(l.reported_at) AS reports,
    sum(date_diff('minute', l.ordered_at, l.reported_at)) AS minutes,
    max(date_diff('minute', l.ordered_at, l.reported_at)) AS longest
FROM hospital.lab_results AS l
CROSS JOIN params
WHERE l.date BETWEEN params.from_date AND params.to_date
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
