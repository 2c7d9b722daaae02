-- title: Doctor workload
-- subject: operational
-- question: Who sees how many patients?
-- chart: bar
-- x: doctor
-- y: visits
-- unit: visits
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
    v.doctor.name AS doctor,
    count(*) AS visits,
    count(*) FILTER (WHERE v.kind = 'inpatient') AS admissions,
    count(*) FILTER (WHERE v.kind = 'emergency') AS emergencies,
    count(DISTINCT v.patient.mrn) AS patients
FROM hospital.visits AS v
CROSS JOIN params
WHERE v.date BETWEEN params.from_date AND params.to_date
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 3, 4
