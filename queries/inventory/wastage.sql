-- title: Expired and short
-- subject: inventory
-- question: Which medicines run out, and which are thrown away?
-- chart: stacked bar
-- x: medicine
-- y: expired, short
-- unit: units
-- facility: facility_id
SELECT
    s.facility_id,
    s.medicine.name AS medicine,
    s.received_total AS received,
    s.dispensed_total AS dispensed,
    coalesce(s.expired_total, 0) AS expired,
    coalesce(s.short_total, 0) AS short
FROM hospital.pharmacy_stock AS s
ORDER BY 1, 2
