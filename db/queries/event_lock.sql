-- The events of a batch, locked in a fixed order so that two workers with the
-- same events can't deadlock. The status is looked at by who asks: named here,
-- the planner goes through the index of everything that is unfinished, for each
-- batch of a backlog. $3 and $4 are the batch's first and last time: known when
-- the statement is planned, they leave one or two partitions of it. The ids are
-- named twice because a new partition has no statistics, and the join alone is
-- then planned as a loop over the whole partition.
SELECT e.id, e.status
FROM unnest($1::text[], $2::bigint[]) AS r(id, occurred_at)
JOIN "WebhookEvent" e ON e.id = r.id AND e."occurredAt" = to_timestamp(r.occurred_at)
WHERE e.id = ANY($1::text[]) AND e."dedupeKey" IS NOT NULL
    AND e."occurredAt" BETWEEN to_timestamp($3::bigint) AND to_timestamp($4::bigint)
ORDER BY e.id
FOR UPDATE OF e
