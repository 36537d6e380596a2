-- Events that somebody else may have finished, or that wait, locked in a fixed
-- order so that two workers with the same events can't deadlock. The status is
-- looked at by who asks: named here, the planner goes through the index of
-- everything that is unfinished, for each batch of a backlog. $2 and $3 are the
-- batch's first and last time: known when the statement starts, they leave one
-- or two partitions of it.
SELECT e.id, e.status
FROM "WebhookEvent" e
WHERE e.id = ANY($1::text[]) AND e."dedupeKey" IS NOT NULL
    AND e."occurredAt" BETWEEN to_timestamp($2::bigint) AND to_timestamp($3::bigint)
ORDER BY e.id
FOR UPDATE OF e
