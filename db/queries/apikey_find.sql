-- Whose key it is, if it counts.
SELECT k.id, k."restaurantId" FROM "ApiKey" k WHERE k.hash = $1 AND k."revokedAt" IS NULL
