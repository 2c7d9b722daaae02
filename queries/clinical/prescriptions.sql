-- title: Prescriptions by department
-- subject: clinical
-- question: How many medicines are prescribed, and how many are dispensed in full?
-- chart: bar
-- x: department
-- y: dispensed_in_full / items
-- unit: percent
-- date: date
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
)
SELECT
    p.date,
    p.facility.id AS facility_id,
    p.department.name AS department,
    count(DISTINCT p._id) AS prescriptions,
    count(*) AS items,
    count(*) FILTER (WHERE item.dispensed >= item.quantity) AS dispensed_in_full
FROM hospital.prescriptions AS p
CROSS JOIN UNNEST(transform(p.items, i -> ROW(i.quantity, i.dispensed))) AS item(quantity, dispensed)
CROSS JOIN params
WHERE p.date BETWEEN params.from_date AND params.to_date
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
