-- When a restaurant's secrets were last used, for one restaurant or for all.
-- What was refused is found in the small index of failures, since in that of
-- the restaurant it could lie behind years of good events. An event that was signed
-- with the current secret says nothing of the one that is current now: a receiver
-- may not have known of it yet. One with the previous secret is a reason for caution.
WITH refused AS (
    SELECT DISTINCT ON ("restaurantId") "restaurantId", "createdAt", "lastError"
    FROM "WebhookEvent"
    WHERE status NOT IN ('PROCESSING', 'COMPLETED') AND status IN ('VERIFICATION_FAILED', 'NO_CONFIG')
        AND "restaurantId" IS NOT NULL AND ($1 = '' OR "restaurantId" = $1)
    ORDER BY "restaurantId", "createdAt" DESC)
SELECT r.id AS "restaurantId",
    accepted."createdAt" AS "acceptedAt", coalesce(accepted."signedWith", '') AS "signedWith",
    cu."lastUsedAt" AS "currentUsedAt",
    greatest(previous."createdAt", pu."lastUsedAt") AS "previousUsedAt",
    refused."createdAt" AS "refusedAt", coalesce(refused."lastError", '') AS "refusedWhy"
FROM "Restaurant" r
LEFT JOIN "RestaurantPaymentConfig" c ON c."restaurantId" = r.id AND c.provider = 'STRIPE'
LEFT JOIN "SecretUse" cu ON cu."restaurantId" = r.id AND cu.fingerprint = c."webhookSecretFingerprint"
    AND cu."lastUsedAt" >= c."webhookSecretSetAt"
LEFT JOIN "SecretUse" pu ON pu."restaurantId" = r.id AND pu.fingerprint = c."previousWebhookSecretFingerprint"
    AND pu."lastUsedAt" >= c."webhookSecretSetAt"
LEFT JOIN LATERAL (
    SELECT e."createdAt", e."signedWith" FROM "WebhookEvent" e
    WHERE e."restaurantId" = r.id AND e.status NOT IN ('VERIFICATION_FAILED', 'NO_CONFIG') AND e.source = 'webhook'
    ORDER BY e."createdAt" DESC LIMIT 1) AS accepted ON true
LEFT JOIN LATERAL (
    SELECT e."createdAt" FROM "WebhookEvent" e
    WHERE e."restaurantId" = r.id AND e."signedWith" = 'previous' AND e."createdAt" >= c."webhookSecretSetAt"
    ORDER BY e."createdAt" DESC LIMIT 1) AS previous ON c."previousWebhookSecret" IS NOT NULL
LEFT JOIN refused ON refused."restaurantId" = r.id
WHERE $1 = '' OR r.id = $1
