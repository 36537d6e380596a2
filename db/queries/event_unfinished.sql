-- A page of the events that have waited for longer than $1 seconds, oldest
-- first, after the row ($2, $3).
SELECT e.id, extract(epoch FROM e."occurredAt")::bigint AS "occurredAt", e."eventType", e."createdAt"
FROM "WebhookEvent" e
WHERE e.status = 'PROCESSING'
    AND e."createdAt" < now() - make_interval(secs => $1)
    AND (e."createdAt", e.id) > ($2::timestamptz, $3::text)
ORDER BY e."createdAt", e.id
LIMIT $4
