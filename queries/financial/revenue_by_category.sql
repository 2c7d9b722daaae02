-- title: What the money is charged for
-- subject: financial
-- question: Which kinds of service make up the bills?
-- chart: doughnut
-- x: category
-- y: amount
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
    item.category,
    count(*) AS line_items,
    sum(item.quantity) AS quantity,
    sum(item.amount) AS amount
FROM hospital.bills AS b
CROSS JOIN UNNEST(transform(b.line_items, i -> ROW(i.category, i.quantity, i.amount))) AS item(category, quantity, amount)
CROSS JOIN params
WHERE b.date BETWEEN params.from_date AND params.to_date
  AND b.status IS DISTINCT FROM 'cancelled'
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
