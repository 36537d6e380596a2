-- Everything that is sealed, of every provider: a key may only be given up
-- when it has sealed none of it.
SELECT c.id, c."restaurantId", r.slug, coalesce(c."webhookSecret", '') AS "webhookSecret",
    coalesce(c."previousWebhookSecret", '') AS "previousWebhookSecret", coalesce(c."secretKey", '') AS "secretKey"
FROM "RestaurantPaymentConfig" c
JOIN "Restaurant" r ON r.id = c."restaurantId"
ORDER BY r.slug, c.id
