-- For how many seconds the previous secret is accepted from now on. It is a
-- statement of its own, so that the trigger has chosen which secret that is.
UPDATE "RestaurantPaymentConfig"
SET "previousWebhookSecretExpiresAt" = now() + make_interval(secs => $2::double precision)
WHERE id = $1
RETURNING coalesce("previousWebhookSecret", '') AS "previousWebhookSecret",
    coalesce("previousWebhookSecretFingerprint", '') AS "previousWebhookSecretFingerprint", "previousWebhookSecretExpiresAt", now() AS "readAt"
