-- All that a batch changes, or nothing of it, in one statement: links that it has
-- learned (1-3), payments (4-10), orders (11-13), what it has read beside them of
-- the same orders (14-15 orders, 16-17 payments), transitions (18-25), and the one
-- update in an event's life (26-33), of which so many must take place (34).
--
-- Each row that was read comes with its xmin: if that is another, somebody has
-- changed the row meanwhile, or has given the order another payment. Rows that are
-- not changed are locked, so that nobody changes them before the others are
-- committed. Orders come first, then payments, each in the order of their ids, so
-- that batches that meet wait for each other. Where one changes what the other only
-- locks they may still deadlock: then both give up, soon, and are done with locks.
--
-- A finished event is never finished again. See event_lock for 32 and 33, the
-- first and the last time, and for why it doesn't say = 'PROCESSING'. Each event
-- looks for itself in the arrays: in a join, for which a planner expects ten, each
-- would be compared with every other of the batch.
--
-- Who has waited cannot be told from the number of the attempt: a task that was
-- lost and made again begins to count anew.
WITH moved AS (
    UPDATE "Order" o
    SET status = r.status
    FROM unnest($11::text[], $12::text[], $13::text[]) AS r(id, status, version)
    WHERE o.id = r.id AND o.xmin = r.version::xid
    RETURNING 1
), unmoved AS (
    SELECT 1
    FROM unnest($14::text[], $15::text[]) AS r(id, version)
    JOIN "Order" o ON o.id = r.id AND o.xmin = r.version::xid
    FOR NO KEY UPDATE OF o
), paid AS (
    UPDATE "Payment" p
    SET status = r.status, "providerPaymentId" = NULLIF(r.provider_payment_id, ''), livemode = NULLIF(r.livemode, '')::boolean, facts = r.facts::jsonb,
        "amountRefunded" = r.amount_refunded
    FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[])
        AS r(id, status, provider_payment_id, livemode, facts, amount_refunded, version)
    WHERE p.id = r.id AND p.xmin = r.version::xid
    RETURNING 1
), unpaid AS (
    SELECT 1
    FROM unnest($16::text[], $17::text[]) AS r(id, version)
    JOIN "Payment" p ON p.id = r.id AND p.xmin = r.version::xid
    FOR NO KEY UPDATE OF p
), linked AS (
    INSERT INTO "PaymentObject" ("restaurantId", "objectId", "paymentId")
    SELECT r.restaurant_id, r.object_id, r.payment_id
    FROM unnest($1::text[], $2::text[], $3::text[]) AS r(restaurant_id, object_id, payment_id)
    ON CONFLICT ("restaurantId", "objectId") DO NOTHING
), told AS (
    INSERT INTO "OrderTransition" ("orderId", "paymentId", "webhookEventId", "orderFrom", "orderTo", "paymentFrom", "paymentTo", reason)
    SELECT r.order_id, NULLIF(r.payment_id, ''), NULLIF(r.event_id, ''), r.order_from, r.order_to, NULLIF(r.payment_from, ''), NULLIF(r.payment_to, ''), r.reason
    FROM unnest($18::text[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[], $25::text[])
        AS r(order_id, payment_id, event_id, order_from, order_to, payment_from, payment_to, reason)
), no_longer_waiting AS (
    DELETE FROM "WaitingEvent" WHERE "eventId" = ANY($26::text[])
), ended AS (
    UPDATE "WebhookEvent" e
    SET (status, outcome, "lastError", attempts, "processedAt", "orderId") = (
        SELECT ($27::text[])[i], NULLIF(($28::text[])[i], ''), NULLIF(($29::text[])[i], ''), ($30::integer[])[i], now(), NULLIF(($31::text[])[i], '')
        FROM array_position($26::text[], e.id) AS i)
    WHERE e.id = ANY($26::text[]) AND e.status NOT IN ('COMPLETED', 'FAILED') AND e."dedupeKey" IS NOT NULL
        AND e."occurredAt" BETWEEN to_timestamp($32::bigint) AND to_timestamp($33::bigint)
    RETURNING 1
)
SELECT CASE
    WHEN (SELECT count(*) FROM moved) < cardinality($11::text[]) OR (SELECT count(*) FROM unmoved) < cardinality($14::text[])
        OR (SELECT count(*) FROM paid) < cardinality($4::text[]) OR (SELECT count(*) FROM unpaid) < cardinality($16::text[])
        OR (SELECT count(*) FROM ended) < $34::integer
    THEN tillhook_overtaken()
END
