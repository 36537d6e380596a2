-- A payment that has no session yet, of an order in the same transaction.
INSERT INTO "Payment" (id, "orderId", provider, status, amount, currency)
SELECT $2, o.id, 'STRIPE', 'PENDING', o."totalAmount", o.currency FROM "Order" o WHERE o.id = $1
