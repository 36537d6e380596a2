-- Why deliveries of restaurant $1 were refused or events of it FAILED within a
-- day, most frequent first. The small index of failures has them.
SELECT e.status, coalesce(e."lastError", '') AS why, count(*) AS events, max(e."createdAt") AS last
FROM "WebhookEvent" e
WHERE e.status IN ('FAILED', 'VERIFICATION_FAILED', 'NO_CONFIG') AND e.status NOT IN ('PROCESSING', 'COMPLETED')
    AND e."createdAt" > now() - interval '24 hours' AND e."restaurantId" = $1
GROUP BY e.status, e."lastError"
ORDER BY count(*) DESC, max(e."createdAt") DESC
LIMIT 10
