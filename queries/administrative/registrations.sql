-- title: Registrations by way of referral
-- subject: administrative
-- question: How do new patients find us?
-- chart: stacked bar
-- x: month
-- y: patients
-- series: referral
-- unit: patients
-- date: month
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
)
SELECT
    p.month,
    p.home_facility AS facility_id,
    p.referral,
    count(*) AS patients
FROM hospital.patients AS p
CROSS JOIN params
WHERE p.month BETWEEN substr(params.from_date, 1, 7) AND substr(params.to_date, 1, 7)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
