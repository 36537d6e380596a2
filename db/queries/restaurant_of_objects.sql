-- Object ids are Stripe's, but a restaurant can sign events that name any: one
-- id may lead to several restaurants, and a forger must not hide the real one.
SELECT DISTINCT "restaurantId" FROM "PaymentObject" WHERE "objectId" = ANY($1::text[]) LIMIT 16
