-- Orders of storefronts that no event will ever say anything of, a day after:
-- nobody has begun to pay, or whoever did was never led to a session, and Stripe
-- is not asked for one any more. A payment that has ended is none to wait for.
-- At most $1, of all or of those in $2. They are locked, so that nobody begins to
-- pay; but who has done so since the statement began is only seen by the next.
SELECT o.id
FROM "Order" o
JOIN "OrderRequest" q ON q."orderId" = o.id
WHERE o.status = 'PAYMENT_PENDING' AND o."createdAt" < now() - interval '1 day'
    AND ($2::text[] IS NULL OR o.id = ANY($2::text[]))
    AND NOT EXISTS (SELECT FROM "Payment" p
        LEFT JOIN "Checkout" c ON c."paymentId" = p.id
        WHERE p."orderId" = o.id
            AND NOT (p.status IN ('EXPIRED', 'CANCELED') OR p.status = 'FAILED' AND p.facts ? 'asyncFailed')
            AND NOT (p.provider = 'STRIPE' AND p.status = 'PENDING' AND p."providerPaymentId" IS NULL AND p.facts = '{}'
                AND p."createdAt" < now() - interval '1 day'
                AND c."sessionId" IS NULL AND coalesce(c."requestedAt" < now() - interval '1 day', true)))
ORDER BY o."createdAt", o.id
LIMIT $1
FOR NO KEY UPDATE OF o SKIP LOCKED
