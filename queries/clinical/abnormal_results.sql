-- title: Abnormal lab results
-- subject: clinical
-- question: Which tests are out of range, and how often?
-- chart: bar
-- x: test
-- y: abnormal / results
-- unit: percent
-- date: date
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
)
SELECT
    l.date,
    l.facility.id AS facility_id,
    l.test.name AS test,
    count(*) AS results,
    count(*) FILTER (WHERE l.result.flag IN ('low', 'high', 'abnormal')) AS abnormal
FROM hospital.lab_results AS l
CROSS JOIN params
WHERE l.date BETWEEN params.from_date AND params.to_date
  AND l.result.value IS NOT NULL
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
