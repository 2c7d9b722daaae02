-- title: Refunds by month and reason
-- subject: financial
-- question: How much is paid back, and why?
-- chart: stacked bar
-- x: month
-- y: refunded
-- series: reason
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
    substr(CAST(refund.refunded_at AS varchar), 1, 7) AS month,
    b.facility_id,
    refund.reason,
    count(*) AS refunds,
    sum(refund.amount) AS refunded
FROM hospital.bills AS b
CROSS JOIN UNNEST(transform(b.refunds, r -> ROW(r.at, r.amount, r.reason))) AS refund(refunded_at, amount, reason)
CROSS JOIN params
WHERE b.date BETWEEN params.from_date AND params.to_date
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
