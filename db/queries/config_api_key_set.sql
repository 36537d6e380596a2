-- Stores an API key if the one before is still the one that the operator saw,
-- named by the fingerprint of how it is stored.
UPDATE "RestaurantPaymentConfig"
SET "secretKey" = $2
WHERE id = $1 AND left(encode(sha256(convert_to(coalesce("secretKey", ''), 'UTF8')), 'hex'), 16) = $3
