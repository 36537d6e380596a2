-- Events that wait for something which is known by now: whoever made it known
-- did so when nobody listened.
SELECT w."eventId", extract(epoch FROM w."occurredAt")::bigint AS "occurredAt", w."eventType"
FROM "WaitingEvent" w
WHERE EXISTS (SELECT FROM "PaymentObject" o WHERE o."restaurantId" = w."restaurantId" AND o."objectId" = w.name)
    OR EXISTS (SELECT FROM "Payment" p WHERE p."restaurantId" = w."restaurantId" AND p.id = w.name)
    OR EXISTS (SELECT FROM "Payment" p WHERE p."restaurantId" = w."restaurantId" AND p."orderId" = w.name)
GROUP BY w."eventId", w."occurredAt", w."eventType"
ORDER BY min(w."createdAt")
LIMIT $1
