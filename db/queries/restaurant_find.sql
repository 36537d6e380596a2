-- Restaurants as operators see them, active or not: the one that $1 names by
-- slug or id, or all of them. The secrets are as they are stored.
SELECT r.id, r.slug, r.name, coalesce(c.id, '') AS "configId",
    coalesce(c."isActive", false) AS "isActive", c.livemode,
    coalesce(c."stripeAccountId", '') AS "stripeAccountId",
    coalesce(c."webhookSecret", '') AS "webhookSecret",
    coalesce(c."webhookSecretFingerprint", '') AS "webhookSecretFingerprint", c."webhookSecretSetAt",
    coalesce(c."previousWebhookSecret", '') AS "previousWebhookSecret", c."previousWebhookSecretExpiresAt",
    coalesce(c."secretKey", '') AS "secretKey",
    now() AS "readAt"
FROM "Restaurant" r
LEFT JOIN "RestaurantPaymentConfig" c ON c."restaurantId" = r.id AND c.provider = 'STRIPE'
WHERE $1 = '' OR r.slug = $1 OR r.id = $1
ORDER BY r.slug
