-- Takes orders to be looked up at Stripe, the oldest first: pending for more
-- than $1 seconds, of the last 35 days, with a payment that could still bring
-- the money, of a restaurant that can be asked for. The next look is put off by
-- the lease of $2 seconds, as in backfill_claim.
WITH due AS (
    SELECT o.id
    FROM "Order" o
    LEFT JOIN "OrderLookup" l ON l."orderId" = o.id
    WHERE o.status = 'PAYMENT_PENDING'
        AND o."createdAt" BETWEEN now() - interval '35 days' AND now() - make_interval(secs => $1)
        AND coalesce(l."nextLookAt" <= now(), true)
        AND EXISTS (SELECT FROM "Payment" p
            WHERE p."orderId" = o.id AND p.provider = 'STRIPE' AND p.status IN ('PENDING', 'PROCESSING', 'FAILED')
                AND p."providerPaymentId" IS NOT NULL)
        AND EXISTS (SELECT FROM "RestaurantPaymentConfig" c
            WHERE c."restaurantId" = o."restaurantId" AND c.provider = 'STRIPE' AND c."isActive" AND btrim(c."secretKey") <> '')
    ORDER BY o."createdAt"
    LIMIT $3)
INSERT INTO "OrderLookup" AS l ("orderId", "nextLookAt")
SELECT due.id, now() + make_interval(secs => $2)
FROM due
ORDER BY due.id -- two workers with the same orders must not deadlock
ON CONFLICT ("orderId") DO UPDATE SET "nextLookAt" = excluded."nextLookAt" WHERE l."nextLookAt" <= now()
RETURNING l."orderId"
