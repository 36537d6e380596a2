-- Whose session this is, if it is not over. With $3 it was used just now, which
-- is written once a minute.
WITH seen AS (
    UPDATE "OperatorSession" SET "lastSeenAt" = now()
    WHERE $3 AND "tokenHash" = $1
        AND "lastSeenAt" BETWEEN now() - make_interval(secs => $2) AND now() - interval '1 minute')
SELECT o.id, o.email, o.role
FROM "OperatorSession" s
JOIN "Operator" o ON o.id = s."operatorId"
WHERE s."tokenHash" = $1 AND o."disabledAt" IS NULL
    AND s."expiresAt" > now() AND s."lastSeenAt" > now() - make_interval(secs => $2)
