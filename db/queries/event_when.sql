-- The times of events of which only the ids are known; looks into every
-- partition.
SELECT e.id, extract(epoch FROM e."occurredAt")::bigint AS "occurredAt"
FROM "WebhookEvent" e
WHERE e.id = ANY($1::text[])
