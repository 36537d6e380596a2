-- What Stripe was asked for to have a payment paid.
SELECT c.attempt, c.request::text AS request, c."requestedAt", coalesce(c."sessionId", '') AS "sessionId", now() AS "readAt"
FROM "Checkout" c
WHERE c."paymentId" = $1
