-- title: Bed occupancy by ward and day
-- subject: operational
-- question: How full is each ward?
-- chart: line
-- x: date
-- y: occupied / beds
-- series: ward
-- unit: percent
-- date: date
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
), days AS (
    SELECT DISTINCT v.date
    FROM hospital.visits AS v
    CROSS JOIN params
    WHERE v.date BETWEEN params.from_date AND params.to_date
),
wards AS (
    SELECT facility_id, ward, count(*) AS beds
    FROM hospital.beds
    GROUP BY 1, 2
),
stays AS (
    SELECT
        v.admission.bed.facility AS facility_id,
        v.admission.ward AS ward,
        substr(CAST(v.admission.admitted_at AS varchar), 1, 10) AS from_day,
        coalesce(substr(CAST(v.admission.discharged_at AS varchar), 1, 10), '9999-12-31') AS until_day
    FROM hospital.visits AS v
    WHERE v.admission.admitted_at IS NOT NULL
),
occupied AS (
    -- In a bed at midnight: came that day or before, left on a later day.
    SELECT d.date, s.facility_id, s.ward, count(*) AS occupied
    FROM days AS d
    JOIN stays AS s ON s.from_day <= d.date AND s.until_day > d.date
    GROUP BY 1, 2, 3
)
SELECT
    d.date,
    w.facility_id,
    w.ward,
    w.beds,
    coalesce(o.occupied, 0) AS occupied
FROM days AS d
CROSS JOIN wards AS w
LEFT JOIN occupied AS o ON o.date = d.date AND o.facility_id = w.facility_id AND o.ward = w.ward
ORDER BY 1, 2, 3
