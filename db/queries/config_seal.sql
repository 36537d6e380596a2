-- Replaces a plain secret by its sealed form, unless someone has changed it
-- since. The secret is named by its fingerprint: a parameter can end up in the
-- server's log.
UPDATE "RestaurantPaymentConfig"
SET "webhookSecret" = CASE WHEN left(encode(sha256(convert_to("webhookSecret", 'UTF8')), 'hex'), 16) = $2
        THEN $3 ELSE "webhookSecret" END,
    "previousWebhookSecret" = CASE WHEN left(encode(sha256(convert_to("previousWebhookSecret", 'UTF8')), 'hex'), 16) = $2
        THEN $3 ELSE "previousWebhookSecret" END
WHERE id = $1
    AND $2 IN (left(encode(sha256(convert_to("webhookSecret", 'UTF8')), 'hex'), 16),
               left(encode(sha256(convert_to("previousWebhookSecret", 'UTF8')), 'hex'), 16))
