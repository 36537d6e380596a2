-- What changed an order, in the order in which it did.
SELECT t."createdAt", coalesce(t."paymentId", '') AS "paymentId", t."orderFrom", t."orderTo",
    coalesce(t."paymentFrom", '') AS "paymentFrom", coalesce(t."paymentTo", '') AS "paymentTo", t.reason,
    coalesce(t."webhookEventId", '') AS "webhookEventId",
    coalesce((SELECT e."providerEventId" FROM "WebhookEvent" e WHERE e.id = t."webhookEventId"), '') AS "providerEventId"
FROM "OrderTransition" t
WHERE t."orderId" = $1
ORDER BY t.id
