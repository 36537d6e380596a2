-- Which of the names in unplaced events are another restaurant's. Nothing of
-- that restaurant is read or locked: the event is to be refused for it. Of the
-- objects only those that the ordering application itself linked count, since
-- anyone can sign an event with anybody's ids.
SELECT k.restaurant_id, k.kind, k.id
FROM unnest($1::text[], $2::text[], $3::text[]) AS k(restaurant_id, kind, id)
WHERE CASE k.kind
    WHEN 'object' THEN EXISTS (SELECT FROM "PaymentObject" l
        WHERE l."objectId" = k.id AND l."restaurantId" <> k.restaurant_id AND l."fromPayment")
    WHEN 'order' THEN EXISTS (SELECT FROM "Order" o WHERE o.id = k.id AND o."restaurantId" <> k.restaurant_id)
    WHEN 'payment' THEN EXISTS (SELECT FROM "Payment" p WHERE p.id = k.id AND p."restaurantId" <> k.restaurant_id)
END
