-- title: Waiting time by hour of the day
-- subject: operational
-- question: When do patients wait longest between check-in and doctor?
-- chart: line
-- x: hour
-- y: minutes / seen
-- unit: minutes
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
    CAST(extract(HOUR FROM a.scheduled_at) AS bigint) AS hour,
    count(*) AS seen,
    sum(a.waiting_minutes) AS minutes,
    max(a.waiting_minutes) AS longest
FROM hospital.appointments AS a
CROSS JOIN params
WHERE a.date BETWEEN params.from_date AND params.to_date
  AND a.waiting_minutes IS NOT NULL
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
