-- title: Emergency: from the door to the doctor
-- subject: operational
-- question: How long do emergencies wait, by triage level?
-- chart: bar
-- x: triage_level
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
    v.date,
    v.facility.id AS facility_id,
    coalesce(CAST(v.triage.level AS varchar), 'not recorded') AS triage_level,
    count(*) AS arrivals,
    count(v.seen_at) AS seen,
    sum(date_diff('minute', v.arrived_at, v.seen_at)) AS minutes
FROM hospital.visits AS v
CROSS JOIN params
WHERE v.date BETWEEN params.from_date AND params.to_date
  AND v.kind = 'emergency'
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
