-- The payments of an order that somebody wants to pay: whoever holds one, since
-- it has just got its session, is waited for.
SELECT id FROM "Payment" WHERE "orderId" = $1 ORDER BY id FOR NO KEY UPDATE
