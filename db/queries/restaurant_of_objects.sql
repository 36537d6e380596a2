-- Object ids are Stripe's, but a restaurant can sign events that name any: one
-- id may lead to several restaurants, and what a payment says goes before what
-- an event claimed.
SELECT "restaurantId"
FROM "PaymentObject"
WHERE "objectId" = ANY($1::text[])
GROUP BY "restaurantId"
ORDER BY bool_or("fromPayment") DESC, "restaurantId"
LIMIT 16
