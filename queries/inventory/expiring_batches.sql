-- title: Batches that expire soon
-- subject: inventory
-- question: What will be wasted unless it is used within half a year?
-- chart: bar
-- x: expires_in
-- y: value
-- unit: INR
-- facility: facility_id
WITH as_of AS (
    SELECT max(updated_at) AS at FROM hospital.pharmacy_stock
),
batches AS (
    SELECT
        s.facility_id,
        s.medicine.name AS medicine,
        batch.batch_no,
        batch.quantity,
        batch.quantity * batch.unit_cost AS value,
        batch.expires_on <= as_of.at AS expired,
        date_diff('day', as_of.at, batch.expires_on) AS days
    FROM hospital.pharmacy_stock AS s
    CROSS JOIN UNNEST(
        transform(s.batches, b -> ROW(b.batch_no, b.quantity, b.unit_cost, b.expires_on))
    ) AS batch(batch_no, quantity, unit_cost, expires_on)
    CROSS JOIN as_of
)
SELECT
    facility_id,
    medicine,
    CASE
        WHEN expired THEN '0 expired'
        WHEN days <= 30 THEN '1 within 30 days'
        WHEN days <= 90 THEN '2 within 90 days'
        ELSE '3 within 180 days'
    END AS expires_in,
    count(*) AS batches,
    sum(quantity) AS quantity,
    sum(value) AS value
FROM batches
WHERE days <= 180
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
