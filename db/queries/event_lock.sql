-- The events of a batch, locked in a fixed order so that two workers with the
-- same events can't deadlock. The status is looked at by who asks: named here,
-- the planner goes through the index of everything that is unfinished, for each
-- batch of a backlog. A verified payload is UTF-8, and as text it comes in half
-- of the bytes. $3 and $4 are
-- the batch's first and last time: known when the statement is planned, they
-- leave one or two partitions of it. The ids are named twice because a new
-- partition has no statistics, and the join alone is then planned as a loop
-- over the whole partition.
SELECT e.id, extract(epoch FROM e."occurredAt")::bigint AS "occurredAt", e."providerEventId", e."eventType",
    e."restaurantId", e.livemode, e.status, convert_from(e.payload, 'UTF8') AS payload,
    coalesce((SELECT c."stripeAccountId" FROM "RestaurantPaymentConfig" c
              WHERE c."restaurantId" = e."restaurantId" AND c.provider = e.provider), '') AS account
FROM unnest($1::text[], $2::bigint[]) AS r(id, occurred_at)
JOIN "WebhookEvent" e ON e.id = r.id AND e."occurredAt" = to_timestamp(r.occurred_at)
WHERE e.id = ANY($1::text[]) AND e."dedupeKey" IS NOT NULL
    AND e."occurredAt" BETWEEN to_timestamp($3::bigint) AND to_timestamp($4::bigint)
ORDER BY e.id
FOR UPDATE OF e
