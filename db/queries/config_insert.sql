-- A sealed secret comes with the fingerprint of what it is: the trigger can't
-- look inside.
INSERT INTO "RestaurantPaymentConfig" (id, "restaurantId", livemode, "webhookSecret", "webhookSecretFingerprint")
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT ("restaurantId", provider) DO UPDATE
SET livemode = excluded.livemode, "isActive" = true,
    "webhookSecret" = excluded."webhookSecret", "webhookSecretFingerprint" = excluded."webhookSecretFingerprint"
RETURNING id
