-- Every restaurant with its active configuration, if it has one. The secrets
-- are as they are stored.
SELECT r.id AS "restaurantId", r.slug, coalesce(c.id, '') AS id, c.livemode,
    coalesce(c."stripeAccountId", '') AS "stripeAccountId",
    coalesce(c."webhookSecret", '') AS "webhookSecret",
    coalesce(c."webhookSecretSetAt", 'epoch') AS "webhookSecretSetAt",
    coalesce(c."previousWebhookSecret", '') AS "previousWebhookSecret",
    coalesce(c."previousWebhookSecretExpiresAt", 'epoch') AS "previousWebhookSecretExpiresAt"
FROM "Restaurant" r
LEFT JOIN "RestaurantPaymentConfig" c ON c."restaurantId" = r.id AND c.provider = 'STRIPE' AND c."isActive"
ORDER BY r."createdAt", r.id
