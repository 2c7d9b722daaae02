-- title: Tax by component
-- subject: financial
-- question: How much of each tax was charged?
-- chart: stacked bar
-- x: month
-- y: tax
-- series: component
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
    substr(b.date, 1, 7) AS month,
    b.facility_id,
    component.name AS component,
    component.rate AS rate,
    sum(component.amount) AS tax
FROM hospital.bills AS b
CROSS JOIN UNNEST(transform(b.line_items, i -> ROW(i.tax.components))) AS item(components)
CROSS JOIN UNNEST(transform(item.components, c -> ROW(c.name, c.rate, c.amount))) AS component(name, rate, amount)
CROSS JOIN params
WHERE b.date BETWEEN params.from_date AND params.to_date
  AND b.status IS DISTINCT FROM 'cancelled'
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
