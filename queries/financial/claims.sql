-- title: Insurance claims by payer
-- subject: financial
-- question: How much of what we claim is approved, and how long do decisions take?
-- chart: bar
-- x: payer
-- y: approved / claimed_decided
-- unit: percent
-- date: date
-- facility: facility_id
-- param: from_date first day that counts, as 2024-03-01
-- param: to_date last day that counts
WITH params AS (
    SELECT '0001-01-01' AS from_date, '9999-12-31' AS to_date
)
SELECT
    b.date,
    b.facility_id,
    b.payer.name AS payer,
    count(*) AS claims,
    count(*) FILTER (WHERE b.payer.claim.status = 'pending') AS pending,
    count(*) FILTER (WHERE b.payer.claim.status = 'rejected') AS rejected,
    sum(b.payer.claim.claimed) AS claimed,
    sum(CASE WHEN b.payer.claim.decided_at IS NOT NULL THEN b.payer.claim.claimed END) AS claimed_decided,
    sum(b.payer.claim.approved) AS approved,
    count(b.payer.claim.decided_at) AS decided,
    sum(date_diff('hour', b.payer.claim.submitted_at, b.payer.claim.decided_at)) AS hours_to_decision
FROM hospital.bills AS b
CROSS JOIN params
WHERE b.date BETWEEN params.from_date AND params.to_date
  AND b.payer.claim.no IS NOT NULL
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
