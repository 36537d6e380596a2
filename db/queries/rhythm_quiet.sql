-- The restaurants that take payments and have had no delivery for $1 seconds,
-- but for those that had none in two weeks: they have no rhythm.
SELECT r.id, d."createdAt" AS last
FROM "Restaurant" r
JOIN "RestaurantPaymentConfig" c ON c."restaurantId" = r.id AND c.provider = 'STRIPE' AND c."isActive" AND c."webhookSecret" IS NOT NULL
CROSS JOIN LATERAL (
    SELECT e."createdAt" FROM "WebhookEvent" e
    WHERE e."restaurantId" = r.id AND e.status NOT IN ('VERIFICATION_FAILED', 'NO_CONFIG') AND e.source = 'webhook'
    ORDER BY e."createdAt" DESC LIMIT 1) AS d
WHERE d."createdAt" BETWEEN now() - interval '14 days' AND now() - make_interval(secs => $1)
ORDER BY r.id
