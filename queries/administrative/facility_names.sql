-- title: One name for each facility
-- subject: administrative
-- question: Which name does a facility go by, when its records spell it in several ways?
-- chart: table
-- names: facility_id = name

-- Every spelling with how often it was used; the most frequent wins, of equally frequent ones the one used last.
WITH spellings AS (
    SELECT
        b.facility.id AS facility_id,
        trim(b.facility.name) AS name,
        count(*) AS uses,
        max(b.bill_date) AS last_used
    FROM hospital.bills AS b
    GROUP BY 1, 2
),
ranked AS (
    SELECT
        facility_id,
        name,
        uses,
        row_number() OVER (PARTITION BY facility_id ORDER BY uses DESC, last_used DESC, name) AS place,
        count(*) OVER (PARTITION BY facility_id) AS spellings
    FROM spellings
)
SELECT facility_id, name, spellings
FROM ranked
WHERE place = 1
ORDER BY facility_id
