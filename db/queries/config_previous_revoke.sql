-- Forgets the previous secret, if it is still the one that the operator saw.
UPDATE "RestaurantPaymentConfig"
SET "previousWebhookSecret" = NULL, "previousWebhookSecretExpiresAt" = NULL
WHERE id = $1 AND "previousWebhookSecret" IS NOT NULL
    AND "previousWebhookSecretExpiresAt" IS NOT DISTINCT FROM $2::timestamptz
    AND "webhookSecretSetAt" IS NOT DISTINCT FROM $3::timestamptz
