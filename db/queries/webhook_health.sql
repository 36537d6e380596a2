-- What /api/health/webhooks says. recentFailures is the operators' own
-- five-minute query.
SELECT
    EXISTS (SELECT FROM "RestaurantPaymentConfig"
            WHERE provider = 'STRIPE' AND "isActive" AND "webhookSecret" IS NOT NULL) AS configured,
    (SELECT "createdAt" FROM "WebhookEvent"
     WHERE status = 'COMPLETED' AND source = 'webhook' ORDER BY "createdAt" DESC LIMIT 1) AS "lastSuccessfulWebhook",
    (SELECT count(*) FROM "WebhookEvent"
     WHERE status = 'VERIFICATION_FAILED' AND "createdAt" > now() - interval '1 hour') AS "recentFailures"
