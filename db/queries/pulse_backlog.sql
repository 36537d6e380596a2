-- What is unfinished, and what waits for a human; beyond $1 nobody counts.
SELECT count(*) AS backlog, coalesce(extract(epoch FROM now() - min(b."createdAt")), 0) AS "oldestSeconds", now() AS "readAt",
    (SELECT count(*) FROM (SELECT FROM "UndecidedPayment" LIMIT $1) AS part) AS undecided
FROM (SELECT e."createdAt" FROM "WebhookEvent" e WHERE e.status = 'PROCESSING' ORDER BY e."createdAt", e.id LIMIT $1) AS b
