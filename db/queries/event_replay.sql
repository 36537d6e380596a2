-- Gives finished events a new life, with all attempts. One that is being
-- worked on has no need of it, one that nobody signed must not have it.
UPDATE "WebhookEvent" e
SET status = 'PROCESSING', outcome = NULL, "lastError" = NULL, attempts = 0, "processedAt" = NULL
WHERE e.id = ANY($1::text[]) AND e.status IN ('COMPLETED', 'FAILED') AND e."dedupeKey" IS NOT NULL
RETURNING e.id, extract(epoch FROM e."occurredAt")::bigint AS "occurredAt", e."eventType", e."createdAt", e."restaurantId"
