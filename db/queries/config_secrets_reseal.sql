-- The row is locked. The fingerprint stays, so that this is no rotation.
UPDATE "RestaurantPaymentConfig"
SET "webhookSecret" = NULLIF($2, ''), "previousWebhookSecret" = NULLIF($3, ''), "secretKey" = NULLIF($4, '')
WHERE id = $1
