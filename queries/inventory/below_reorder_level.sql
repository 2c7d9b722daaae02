-- title: Stock below the reorder level
-- subject: inventory
-- question: What has to be ordered, and is it on its way?
-- chart: bar
-- x: medicine
-- y: missing
-- series: facility_id
-- unit: units
-- facility: facility_id
SELECT
    s.facility_id,
    s.medicine.name AS medicine,
    s.quantity_on_hand,
    s.reorder_level,
    s.reorder_level - s.quantity_on_hand AS missing,
    coalesce(s.on_order.quantity, 0) AS on_order
FROM hospital.pharmacy_stock AS s
WHERE s.quantity_on_hand < s.reorder_level
ORDER BY 1, 2
