-- What waits for an event that is finished, or gone.
DELETE FROM "WaitingEvent" w
WHERE w."eventId" IN (
    SELECT o."eventId" FROM "WaitingEvent" o
    WHERE NOT EXISTS (SELECT FROM "WebhookEvent" e
                      WHERE e.id = o."eventId" AND e."occurredAt" = o."occurredAt" AND e.status = 'PROCESSING')
    LIMIT $1)
