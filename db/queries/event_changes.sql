-- What an event has changed; the transitions are found by its order.
SELECT t."createdAt", coalesce(t."paymentId", '') AS "paymentId", t."orderFrom", t."orderTo",
    coalesce(t."paymentFrom", '') AS "paymentFrom", coalesce(t."paymentTo", '') AS "paymentTo", t.reason,
    coalesce(t."webhookEventId", '') AS "webhookEventId", '' AS "providerEventId"
FROM "OrderTransition" t
WHERE t."orderId" = $1 AND t."webhookEventId" = $2
ORDER BY t.id
