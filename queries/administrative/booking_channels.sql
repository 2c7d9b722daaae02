-- title: Booking channels
-- subject: administrative
-- question: How are appointments booked?
-- chart: doughnut
-- x: channel
-- y: appointments
-- unit: appointments
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
    -- The desk software and the app spell the channels differently.
    lower(a.channel) AS channel,
    count(*) AS appointments
FROM hospital.appointments AS a
CROSS JOIN params
WHERE a.date BETWEEN params.from_date AND params.to_date
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
