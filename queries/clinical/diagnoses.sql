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
)
SELECT
    v.date,
    v.facility.id AS facility_id,
    v.department.name AS department,
    -- Old records hold a diagnosis as a plain text.
    coalesce(diagnosis.title, diagnosis.plain) AS diagnosis,
    coalesce(diagnosis.kind, 'unknown') AS kind,
    count(*) AS diagnoses
FROM hospital.visits AS v
CROSS JOIN UNNEST(transform(v.diagnoses, d -> ROW(d.title, d.kind, d.value_))) AS diagnosis(title, kind, plain)
CROSS JOIN params
WHERE v.date BETWEEN params.from_date AND params.to_date
GROUP BY 1, 2, 3, 4, 5
ORDER BY 1, 2, 3, 4, 5
