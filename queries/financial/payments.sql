-- title: Payments by method
-- subject: financial
-- question: How do patients and payers pay?
-- chart: stacked bar
-- x: month
-- y: received
-- series: method
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
    substr(CAST(payment.paid_at AS varchar), 1, 7) AS month,
    b.facility_id,
    -- The counters spell the methods differently.
    upper(payment.method) AS method,
    count(*) AS payments,
    sum(payment.amount) AS received
FROM hospital.bills AS b
CROSS JOIN UNNEST(transform(b.payments, p -> ROW(p.at, p.amount, p.method))) AS payment(paid_at, amount, method)
CROSS JOIN params
WHERE b.date BETWEEN params.from_date AND params.to_date
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
