-- How late it is, by the database's clock, by the newest event's row, and by
-- Stripe's clock as the newest verified events tell it; and how many weeks the
-- janitors have dropped lately.
SELECT clock_timestamp() AS database,
    (SELECT max(e."createdAt") FROM "WebhookEvent" e) AS stored,
    (SELECT max(newest."occurredAt")
     FROM (SELECT e."occurredAt" FROM "WebhookEvent" e
           WHERE e."dedupeKey" IS NOT NULL ORDER BY e."createdAt" DESC LIMIT 100) AS newest) AS created,
    (SELECT count(*) FROM "AuditEntry" a
     WHERE a.actor = 'janitor' AND a."createdAt" > clock_timestamp() - interval '6 hours') AS dropped
