-- All that a batch changes, in one statement: links that it has learned (1-3),
-- payments (4-9), orders (10-11), transitions (12-19), and the one update in an
-- event's life (20-27). A finished event is never finished again. See event_lock
-- for 26 and 27, the first and the last time, and for why it doesn't say
-- = 'PROCESSING'. Each event looks for itself in the arrays: in a join, for which
-- a planner expects ten, each would be compared with every other of the batch.
--
-- Who has waited cannot be told from the number of the attempt: a task that was
-- lost and made again begins to count anew.
WITH linked AS (
    INSERT INTO "PaymentObject" ("restaurantId", "objectId", "paymentId")
    SELECT r.restaurant_id, r.object_id, r.payment_id
    FROM unnest($1::text[], $2::text[], $3::text[]) AS r(restaurant_id, object_id, payment_id)
    ON CONFLICT ("restaurantId", "objectId") DO NOTHING
), paid AS (
    UPDATE "Payment" p
    SET status = r.status, "providerPaymentId" = NULLIF(r.provider_payment_id, ''), livemode = r.livemode, facts = r.facts::jsonb,
        "amountRefunded" = r.amount_refunded
    FROM unnest($4::text[], $5::text[], $6::text[], $7::boolean[], $8::text[], $9::bigint[])
        AS r(id, status, provider_payment_id, livemode, facts, amount_refunded)
    WHERE p.id = r.id
), moved AS (
    UPDATE "Order" o
    SET status = r.status
    FROM unnest($10::text[], $11::text[]) AS r(id, status)
    WHERE o.id = r.id
), told AS (
    INSERT INTO "OrderTransition" ("orderId", "paymentId", "webhookEventId", "orderFrom", "orderTo", "paymentFrom", "paymentTo", reason)
    SELECT r.order_id, r.payment_id, NULLIF(r.event_id, ''), r.order_from, r.order_to, r.payment_from, r.payment_to, r.reason
    FROM unnest($12::text[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[])
        AS r(order_id, payment_id, event_id, order_from, order_to, payment_from, payment_to, reason)
), no_longer_waiting AS (
    DELETE FROM "WaitingEvent" WHERE "eventId" = ANY($20::text[])
)
UPDATE "WebhookEvent" e
SET (status, outcome, "lastError", attempts, "processedAt", "orderId") = (
    SELECT ($21::text[])[i], NULLIF(($22::text[])[i], ''), NULLIF(($23::text[])[i], ''), ($24::integer[])[i], now(), NULLIF(($25::text[])[i], '')
    FROM array_position($20::text[], e.id) AS i)
WHERE e.id = ANY($20::text[]) AND e.status NOT IN ('COMPLETED', 'FAILED') AND e."dedupeKey" IS NOT NULL
    AND e."occurredAt" BETWEEN to_timestamp($26::bigint) AND to_timestamp($27::bigint)
