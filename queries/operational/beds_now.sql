-- title: Beds now
-- subject: operational
-- question: Which beds are free at this moment?
-- chart: stacked bar
-- x: ward
-- y: beds
-- series: status
-- unit: beds
-- facility: facility_id
SELECT
    b.facility_id,
    b.ward,
    b.status,
    count(*) AS beds
FROM hospital.beds AS b
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
