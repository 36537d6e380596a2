-- Keeps the session that a payment has got, before its customer is sent there.
-- An event may have been faster, and named the intent.
WITH kept AS (
    UPDATE "Checkout" SET "sessionId" = $2 WHERE "paymentId" = $1 AND attempt = $3 AND ("sessionId" IS NULL OR "sessionId" = $2)
    RETURNING "paymentId"
), named AS (
    UPDATE "Payment" p SET "providerPaymentId" = $2
    FROM kept k
    WHERE p.id = k."paymentId" AND p."providerPaymentId" IS NULL
)
SELECT count(*) FROM kept
