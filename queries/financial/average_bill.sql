-- title: Average bill by doctor
-- subject: financial
-- question: Whose bills are high, and over how many bills?
-- chart: bar
-- x: doctor
-- y: net_revenue / bills
-- unit: INR
-- date: date
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
)
SELECT
    b.date,
    b.facility_id,
    b.department.name AS department,
    b.doctor.name AS doctor,
    count(*) AS bills,
    sum(b.totals.net) AS net_revenue,
    CAST(sum(b.totals.net) AS double) / count(*) AS average_bill
FROM hospital.bills AS b
CROSS JOIN params
WHERE b.date BETWEEN params.from_date AND params.to_date
  AND b.status IS DISTINCT FROM 'cancelled'
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
