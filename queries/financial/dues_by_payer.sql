-- title: Due and collected by payer
-- subject: financial
-- question: Who owes how much, and who pays?
-- chart: stacked bar
-- x: payer
-- y: collected, due
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
    b.payer.type AS payer_type,
    b.payer.name AS payer,
    count(*) AS bills,
    sum(b.totals.net) AS billed,
    sum(b.paid) AS collected,
    sum(b.balance) AS due
FROM hospital.bills AS b
CROSS JOIN params
WHERE b.date BETWEEN params.from_date AND params.to_date
  AND b.status IS DISTINCT FROM 'cancelled'
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
