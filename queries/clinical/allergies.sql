-- title: Allergies on record
-- subject: clinical
-- question: What are patients allergic to?
-- chart: bar
-- x: substance
-- y: patients
-- series: severity
-- unit: patients
-- facility: facility_id
SELECT
    p.home_facility AS facility_id,
    coalesce(allergy.substance, allergy.plain) AS substance,
    coalesce(allergy.severity, 'unknown') AS severity,
    count(DISTINCT p._id) AS patients
FROM hospital.patients AS p
CROSS JOIN UNNEST(transform(p.allergies, a -> ROW(a.substance, a.severity, a.value_))) AS allergy(substance, severity, plain)
-- Some desks write that there is none.
WHERE coalesce(allergy.substance, allergy.plain) <> 'None known'
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
