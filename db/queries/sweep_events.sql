-- Finished events of absurd times, which lie in no week, by when they were
-- stored. What somebody works on is left for the next time.
DELETE FROM "WebhookEvent_default" d
WHERE (d.id, d."occurredAt") IN (
    SELECT e.id, e."occurredAt" FROM "WebhookEvent_default" e
    WHERE e."createdAt" < $1 AND e.status <> 'PROCESSING'
    ORDER BY e."createdAt"
    LIMIT $2
    FOR UPDATE SKIP LOCKED)
