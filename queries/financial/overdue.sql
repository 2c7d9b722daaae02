-- title: Open balances by age
-- subject: financial
-- question: How long have unpaid bills been overdue?
-- chart: bar
-- x: age
-- y: due
-- unit: INR
-- date: date
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
), as_of AS (
    SELECT max(created_at) AS at FROM hospital.bills
),
open_bills AS (
    SELECT
        b.date,
        b.facility_id,
        b.balance,
        date_diff('day', b.due_date, as_of.at) AS days_overdue
    FROM hospital.bills AS b
    CROSS JOIN as_of
    CROSS JOIN params
    WHERE b.date BETWEEN params.from_date AND params.to_date
      AND b.status IN ('open', 'part-paid')
      AND b.balance > 0
)
SELECT
    date,
    facility_id,
    CASE
        WHEN days_overdue IS NULL OR days_overdue <= 0 THEN '0 not due yet'
        WHEN days_overdue <= 15 THEN '1 up to 15 days'
        WHEN days_overdue <= 30 THEN '2 up to 30 days'
        ELSE '3 more than 30 days'
    END AS age,
    count(*) AS bills,
    sum(balance) AS due
FROM open_bills
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
