-- title: Consumption against stock
-- subject: inventory
-- question: What share of its stock is used in a day? The largest run out first.
-- chart: bar
-- x: medicine
-- y: used_per_day / on_hand
-- unit: percent
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
), used AS (
    SELECT
        p.facility.id AS facility_id,
        item.medicine,
        sum(item.dispensed) AS dispensed
    FROM hospital.prescriptions AS p
    CROSS JOIN UNNEST(transform(p.items, i -> ROW(i.medicine.name, i.dispensed))) AS item(medicine, dispensed)
    CROSS JOIN params
    WHERE p.date BETWEEN params.from_date AND params.to_date
    GROUP BY 1, 2
),
span AS (
    SELECT count(DISTINCT p.date) AS days
    FROM hospital.prescriptions AS p
    CROSS JOIN params
    WHERE p.date BETWEEN params.from_date AND params.to_date
)
SELECT
    s.facility_id,
    s.medicine.name AS medicine,
    s.quantity_on_hand AS on_hand,
    coalesce(u.dispensed, 0) AS dispensed,
    span.days,
    CAST(coalesce(u.dispensed, 0) AS double) / span.days AS used_per_day,
    CAST(s.quantity_on_hand AS double) * span.days / nullif(u.dispensed, 0) AS days_of_cover
FROM hospital.pharmacy_stock AS s
CROSS JOIN span
LEFT JOIN used AS u ON u.facility_id = s.facility_id AND u.medicine = s.medicine.name
ORDER BY 1, 2
