-- Makes an order with what was asked for, or none if the restaurant's
-- idempotency key ($5, "" without one) has made one already.
WITH asked AS (
    INSERT INTO "OrderRequest" ("orderId", "restaurantId", "idempotencyKey", "requestHash", lines)
    VALUES ($1, $2, NULLIF($5, ''), $6, NULLIF($7, '')::jsonb)
    ON CONFLICT ("restaurantId", "idempotencyKey") DO NOTHING
    RETURNING "orderId"
)
INSERT INTO "Order" (id, "restaurantId", status, "totalAmount", currency)
SELECT a."orderId", $2, 'PAYMENT_PENDING', $3, $4 FROM asked a
RETURNING id, "restaurantId", status, "totalAmount", currency, "createdAt", "updatedAt", "paidAt"
