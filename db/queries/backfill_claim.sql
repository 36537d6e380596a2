-- Takes the turn that is due for the longest, of a restaurant that can be asked
-- for. Its next turn is put off by the lease of $2 seconds, so that nobody else
-- takes it meanwhile, and somebody does when we die. A new restaurant begins
-- $1 seconds ago.
WITH due AS (
    SELECT c."restaurantId"
    FROM "RestaurantPaymentConfig" c
    LEFT JOIN "BackfillCursor" b ON b."restaurantId" = c."restaurantId" AND b.kind = 'periodic'
    WHERE c.provider = 'STRIPE' AND c."isActive" AND btrim(c."secretKey") <> ''
        AND coalesce(b."nextRunAt" <= now(), true)
    ORDER BY b."nextRunAt" NULLS FIRST, c."restaurantId"
    LIMIT 1)
INSERT INTO "BackfillCursor" AS b ("restaurantId", kind, since, "coveredUntil", "nextRunAt")
SELECT due."restaurantId", 'periodic', now() - make_interval(secs => $1), now() - make_interval(secs => $1),
    now() + make_interval(secs => $2)
FROM due
ON CONFLICT ("restaurantId", kind) DO UPDATE SET "nextRunAt" = excluded."nextRunAt" WHERE b."nextRunAt" <= now()
RETURNING b."restaurantId", b."coveredUntil", coalesce(b."lastError", '') AS "lastError", now() AS "readAt"
