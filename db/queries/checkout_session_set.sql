-- Keeps the session that a payment has got, before its customer is sent there.
-- An event may have been faster, and named the intent: then the session is known
-- by its link alone.
WITH kept AS (
    UPDATE "Checkout" SET "sessionId" = $2 WHERE "paymentId" = $1 AND attempt = $3 AND ("sessionId" IS NULL OR "sessionId" = $2)
    RETURNING "paymentId"
), named AS (
    UPDATE "Payment" p SET "providerPaymentId" = $2
    FROM kept k
    WHERE p.id = k."paymentId" AND p."providerPaymentId" IS NULL
), linked AS (
    INSERT INTO "PaymentObject" ("restaurantId", "objectId", "paymentId")
    SELECT p."restaurantId", $2, p.id FROM kept k JOIN "Payment" p ON p.id = k."paymentId"
    ON CONFLICT ("restaurantId", "objectId") DO NOTHING
)
SELECT count(*) FROM kept
