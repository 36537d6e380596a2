-- Begins a session, and forgets those that are over. The password must still be
-- the one that was checked.
WITH over AS (DELETE FROM "OperatorSession" WHERE "expiresAt" < now() OR "lastSeenAt" < now() - make_interval(secs => $5))
INSERT INTO "OperatorSession" ("tokenHash", "operatorId", "expiresAt")
SELECT $1::bytea, o.id, now() + make_interval(secs => $4)
FROM "Operator" o
WHERE o.id = $2 AND o."passwordHash" = $3 AND o."disabledAt" IS NULL
