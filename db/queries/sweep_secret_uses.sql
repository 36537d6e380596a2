-- Secrets that have long been neither current nor previous.
DELETE FROM "SecretUse" u
WHERE u."lastUsedAt" < $1
    AND NOT EXISTS (SELECT FROM "RestaurantPaymentConfig" c
                    WHERE c."restaurantId" = u."restaurantId"
                        AND u.fingerprint IN (c."webhookSecretFingerprint", c."previousWebhookSecretFingerprint"))
