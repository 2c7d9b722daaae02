-- title: Current rows of a table with doubles
-- subject: administrative
-- question: Which row of each _id is the current one?
-- chart: table

-- For lakes that an older job wrote, where every change of a document is one more row: the newest by its time of
-- modification is the current one. A table that lakefold folded holds one row for each _id already, so that doubles is
-- always 0 there.
WITH ranked AS (
    SELECT
        b.*,
        row_number() OVER (PARTITION BY b._id ORDER BY b.updated_at DESC) AS place
    FROM hospital.bills AS b
)
SELECT
    facility_id,
    count(*) AS stored_rows,
    count(*) FILTER (WHERE place = 1) AS current_rows,
    count(*) FILTER (WHERE place > 1) AS doubles
FROM ranked
GROUP BY 1
ORDER BY 1
