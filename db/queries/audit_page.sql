-- Audit lines, newest first, before the line $1 (0: from the newest), of one
-- restaurant or all.
SELECT a.id, a.actor, a.action, coalesce(a."restaurantId", '') AS "restaurantId", a.target, a.detail, a."createdAt"
FROM "AuditEntry" a
WHERE ($1 = 0 OR a.id < $1) AND ($2 = '' OR a."restaurantId" = $2)
ORDER BY a.id DESC
LIMIT $3
