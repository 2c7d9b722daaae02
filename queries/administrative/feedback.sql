-- title: Feedback
-- subject: administrative
-- question: How do patients rate their visits?
-- chart: bar
-- x: department
-- y: stars / ratings
-- unit: stars
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
    count(*) AS ratings,
    sum(v.feedback.rating) AS stars,
    count(*) FILTER (WHERE v.feedback.rating <= 2) AS unhappy
FROM hospital.visits AS v
CROSS JOIN params
WHERE v.date BETWEEN params.from_date AND params.to_date
  AND v.feedback.rating IS NOT NULL
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
