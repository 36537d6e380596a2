-- What it takes to ask Stripe for a restaurant. The key is as it is stored.
SELECT c.id, c.livemode, coalesce(c."stripeAccountId", '') AS "stripeAccountId", coalesce(c."secretKey", '') AS "secretKey"
FROM "RestaurantPaymentConfig" c
WHERE c."restaurantId" = $1 AND c.provider = 'STRIPE' AND c."isActive"
