-- An order that has got another payment waits again, and its story tells so.
WITH moved AS (
    UPDATE "Order" SET status = $4 WHERE id = $1
)
INSERT INTO "OrderTransition" ("orderId", "paymentId", "orderFrom", "orderTo", "paymentFrom", "paymentTo", reason)
VALUES ($1, $2, $3, $4, $5, $6, $7)
