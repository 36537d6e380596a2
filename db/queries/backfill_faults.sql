-- The restaurants for whose events Stripe could not be asked the last time, of one
-- or all, the one that was asked the longest ago first.
SELECT r.slug, b."lastError" AS why, coalesce(b."lastRunAt", b."coveredUntil") AS at, now() AS "readAt"
FROM "BackfillCursor" b
JOIN "RestaurantPaymentConfig" c ON c."restaurantId" = b."restaurantId" AND c.provider = 'STRIPE'
JOIN "Restaurant" r ON r.id = b."restaurantId"
WHERE b.kind = 'periodic' AND b."lastError" <> '' AND c."isActive" AND btrim(c."secretKey") <> '' AND ($1 = '' OR r.id = $1)
ORDER BY b."lastRunAt" NULLS FIRST, r.slug
