-- Answers no row if someone else was quicker.
INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", livemode, "stripeAccountId", "webhookSecret", "webhookSecretFingerprint")
VALUES ($1, $2, $3, NULLIF($4, ''), NULLIF($5, ''), NULLIF($6, ''))
ON CONFLICT ("restaurantId", provider) DO NOTHING
RETURNING id
