-- When the oldest event of restaurant $1 was stored that should have been worked
-- off and waits for no payment; how many are unfinished, and when one was last
-- worked off.
SELECT now() AS "readAt",
    (SELECT count(*) FROM "WebhookEvent" e WHERE e.status = 'PROCESSING' AND e."restaurantId" = $1) AS unfinished,
    (SELECT min(e."createdAt") FROM "WebhookEvent" e
     WHERE e.status = 'PROCESSING' AND e."restaurantId" = $1
        AND NOT EXISTS (SELECT FROM "WaitingEvent" w WHERE w."eventId" = e.id)) AS oldest,
    (SELECT e."createdAt" FROM "WebhookEvent" e
     WHERE e."restaurantId" = $1 AND e.status = 'COMPLETED' AND e.source = 'webhook'
     ORDER BY e."createdAt" DESC LIMIT 1) AS success
