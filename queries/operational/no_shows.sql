-- title: Appointments that nobody came to
-- subject: operational
-- question: Where and on which weekdays do patients not show up?
-- chart: bar
-- x: department
-- y: no_shows / due
-- unit: percent
-- date: date
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
)
SELECT
    a.date,
    a.facility.id AS facility_id,
    a.department.name AS department,
    day_of_week(a.scheduled_at) AS weekday,
    count(*) AS appointments,
    count(*) FILTER (WHERE a.status IN ('completed', 'no-show')) AS due,
    count(*) FILTER (WHERE a.status = 'no-show') AS no_shows,
    count(*) FILTER (WHERE a.status = 'cancelled') AS cancelled
FROM hospital.appointments AS a
CROSS JOIN params
WHERE a.date BETWEEN params.from_date AND params.to_date
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
