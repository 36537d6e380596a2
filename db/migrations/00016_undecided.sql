-- The payments on which a human must decide: money that is not what the order
-- asked for, until it is refunded or settled by hand; and the second payment of a
-- paid order, as long as two payments have kept the money.
--
-- They are found by the transitions that made them so, which are few: an index on
-- a payment's status would have to be written whenever one changes.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX IF EXISTS "OrderTransition_undecided_idx"; -- what an interrupted run has left is not valid
CREATE INDEX CONCURRENTLY "OrderTransition_undecided_idx" ON "OrderTransition" (id)
    WHERE "paymentTo" = 'REVIEW' OR reason = 'second payment of a paid order: refund one';

CREATE OR REPLACE VIEW "UndecidedPayment" AS
SELECT p.id, p."orderId", p."restaurantId", p.status, p.amount, p.currency, p."providerPaymentId", p.facts, t.id AS "transitionId", t.reason, t."createdAt" AS since
FROM (
    SELECT max(u.id) AS id FROM "OrderTransition" u
    WHERE u."paymentTo" = 'REVIEW' OR u.reason = 'second payment of a paid order: refund one'
    GROUP BY u."paymentId") AS last
JOIN "OrderTransition" t ON t.id = last.id
JOIN "Payment" p ON p.id = t."paymentId"
WHERE p.status = 'REVIEW'
    OR t.reason = 'second payment of a paid order: refund one' AND p.status IN ('COMPLETED', 'PARTIALLY_REFUNDED', 'DISPUTED')
        AND EXISTS (
            SELECT FROM "Payment" q
            WHERE q."orderId" = p."orderId" AND q.id <> p.id AND q.status IN ('COMPLETED', 'PARTIALLY_REFUNDED', 'DISPUTED'));

-- +goose Down
DROP VIEW "UndecidedPayment";
DROP INDEX "OrderTransition_undecided_idx";
