-- Stores a secret if the one before is still the one that the operator saw:
-- its fingerprint and time stay when a service seals it meanwhile. The trigger
-- decides which secret is accepted beside it.
UPDATE "RestaurantPaymentConfig"
SET "webhookSecret" = $2, "webhookSecretFingerprint" = $3
WHERE id = $1 AND coalesce("webhookSecretFingerprint", '') = $4
    AND "webhookSecretSetAt" IS NOT DISTINCT FROM $5::timestamptz
RETURNING coalesce("previousWebhookSecret", '') AS "previousWebhookSecret",
    coalesce("previousWebhookSecretFingerprint", '') AS "previousWebhookSecretFingerprint", "previousWebhookSecretExpiresAt", now() AS "readAt"
