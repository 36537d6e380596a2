-- What Stripe was asked for to have a payment paid, $2 seconds ago at the most.
SELECT c.attempt, c.request::text AS request, c."requestedAt" > now() - make_interval(secs => $2) AS fresh,
    coalesce(c."sessionId", '') AS "sessionId"
FROM "Checkout" c
WHERE c."paymentId" = $1
