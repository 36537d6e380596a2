-- payment_lock without the lock, for who only looks.
SELECT id, "orderId", "restaurantId", status, coalesce("providerPaymentId", '') AS "providerPaymentId",
    amount, currency, livemode, facts::text
FROM "Payment"
WHERE "orderId" = ANY($1::text[]) AND provider = 'STRIPE'
ORDER BY id
