-- title: Medicine use
-- subject: clinical
-- question: Which medicines are used most?
-- chart: bar
-- x: medicine
-- y: dispensed
-- unit: units
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
    item.medicine,
    item.form,
    count(*) AS prescribed_times,
    sum(item.quantity) AS prescribed,
    sum(item.dispensed) AS dispensed
FROM hospital.prescriptions AS p
CROSS JOIN UNNEST(
    transform(p.items, i -> ROW(i.medicine.name, i.medicine.form, i.quantity, i.dispensed))
) AS item(medicine, form, quantity, dispensed)
CROSS JOIN params
WHERE p.date BETWEEN params.from_date AND params.to_date
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
