-- title: Diagnosis mix
-- subject: clinical
-- question: What do patients come with?
-- chart: bar
-- x: diagnosis
-- y: diagnoses
-- unit: diagnoses
-- date: date
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
),
made AS (
    SELECT
        v.date,
        v.facility.id AS facility_id,
        v.department.name AS department,
        diagnosis.code,
        diagnosis.title,
        diagnosis.kind,
        diagnosis.plain
    FROM hospital.visits AS v
    CROSS JOIN UNNEST(
        transform(v.diagnoses, d -> ROW(d.code, d.title, d.kind, d.value_))
    ) AS diagnosis(code, title, kind, plain)
),
titles AS (
    SELECT code, max(title) AS title
    FROM made
    WHERE code IS NOT NULL
    GROUP BY 1
)
SELECT
    m.date,
    m.facility_id,
    m.department,
    -- Old records hold the code alone.
    coalesce(m.title, t.title, m.plain) AS diagnosis,
    coalesce(m.kind, 'unknown') AS kind,
    count(*) AS diagnoses
FROM made AS m
LEFT JOIN titles AS t ON t.code = m.plain
CROSS JOIN params
WHERE m.date BETWEEN params.from_date AND params.to_date
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
