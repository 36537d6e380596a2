SELECT id, "orderId", "restaurantId", status, coalesce("providerPaymentId", '') AS "providerPaymentId",
    amount, currency, livemode, facts::text, "amountRefunded"
FROM "Payment"
WHERE "orderId" = ANY($1::text[]) AND provider = 'STRIPE'
ORDER BY id
