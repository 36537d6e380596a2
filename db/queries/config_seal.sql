-- Replaces a secret by its sealed form, unless someone has changed it since.
UPDATE "RestaurantPaymentConfig"
SET "webhookSecret" = CASE WHEN "webhookSecret" = $2 THEN $3 ELSE "webhookSecret" END,
    "previousWebhookSecret" = CASE WHEN "previousWebhookSecret" = $2 THEN $3 ELSE "previousWebhookSecret" END
WHERE id = $1 AND $2 IN ("webhookSecret", "previousWebhookSecret")
