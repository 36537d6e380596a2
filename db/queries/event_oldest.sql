-- The oldest events that are unfinished for more than $1 seconds.
SELECT e.id, extract(epoch FROM e."occurredAt")::bigint AS "occurredAt", e."eventType", e."createdAt"
FROM "WebhookEvent" e
WHERE e.status = 'PROCESSING' AND e."createdAt" < now() - make_interval(secs => $1)
ORDER BY e."createdAt", e.id
LIMIT $2
