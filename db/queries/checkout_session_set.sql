-- Keeps the session that a payment has got, before its customer is sent there.
-- The payment is locked first, as whoever begins a checkout has it. An event may
-- have been faster, and named the intent: then the session is known by its link
-- alone.
WITH payment AS (
    SELECT id, "restaurantId" FROM "Payment" WHERE id = $1 FOR NO KEY UPDATE
), kept AS (
    UPDATE "Checkout" c SET "sessionId" = $2
    FROM payment
    WHERE c."paymentId" = payment.id AND c.attempt = $3 AND (c."sessionId" IS NULL OR c."sessionId" = $2)
    RETURNING payment.id, payment."restaurantId"
), named AS (
    UPDATE "Payment" p SET "providerPaymentId" = $2
    FROM kept
    WHERE p.id = kept.id AND p."providerPaymentId" IS NULL
), linked AS (
    INSERT INTO "PaymentObject" ("restaurantId", "objectId", "paymentId")
    SELECT kept."restaurantId", $2, kept.id FROM kept
    ON CONFLICT ("restaurantId", "objectId") DO NOTHING
)
SELECT count(*) FROM kept
