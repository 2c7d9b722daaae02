-- title: Value of the stock
-- subject: inventory
-- question: How much money lies on the shelves?
-- chart: bar
-- x: medicine
-- y: value
-- series: form
-- unit: INR
-- facility: facility_id
SELECT
    s.facility_id,
    s.medicine.name AS medicine,
    s.medicine.form AS form,
    sum(batch.quantity) AS quantity,
    sum(batch.quantity * batch.unit_cost) AS value
FROM hospital.pharmacy_stock AS s
CROSS JOIN UNNEST(transform(s.batches, b -> ROW(b.quantity, b.unit_cost))) AS batch(quantity, unit_cost)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
