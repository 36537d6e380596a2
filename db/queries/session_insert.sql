-- Begins a session, and forgets those that are over. The password must still be
-- the one that was checked. There is no session without its line in the audit.
WITH over AS (DELETE FROM "OperatorSession" WHERE "expiresAt" < now() OR "lastSeenAt" < now() - make_interval(secs => $5)),
begun AS (
    INSERT INTO "OperatorSession" ("tokenHash", "operatorId", "expiresAt")
    SELECT $1::bytea, o.id, now() + make_interval(secs => $4)
    FROM "Operator" o
    WHERE o.id = $2 AND o."passwordHash" = $3 AND o."disabledAt" IS NULL
    RETURNING "operatorId")
INSERT INTO "AuditEntry" (actor, action, target, detail)
SELECT o.email, 'panel: sign in', o.id, $6
FROM begun
JOIN "Operator" o ON o.id = begun."operatorId"
