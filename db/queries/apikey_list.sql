-- The keys of a restaurant, or the one with the id $2, revoked or not.
SELECT k.id, k."restaurantId", r.slug, k.name, k.prefix, k."createdAt", k."lastUsedAt", k."revokedAt"
FROM "ApiKey" k
JOIN "Restaurant" r ON r.id = k."restaurantId"
WHERE ($1 = '' OR k."restaurantId" = $1) AND ($2 = '' OR k.id = $2)
ORDER BY k."createdAt", k.id
