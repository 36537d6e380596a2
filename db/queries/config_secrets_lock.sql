-- One configuration's secrets, to be replaced by the same ones sealed anew.
SELECT c.id, c."restaurantId", r.slug, coalesce(c."webhookSecret", '') AS "webhookSecret",
    coalesce(c."previousWebhookSecret", '') AS "previousWebhookSecret", coalesce(c."secretKey", '') AS "secretKey"
FROM "RestaurantPaymentConfig" c
JOIN "Restaurant" r ON r.id = c."restaurantId"
WHERE c.id = $1
FOR UPDATE OF c
