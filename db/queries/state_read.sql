-- How everything stands. Each part is found in an index or is bounded by $1
-- rows in its order; an order is stuck after $2 seconds, unless its money is under
-- way, for $3 seconds at the most, or a human has to decide on it.
-- What waits for a payment is looked up by a subquery for each row: a join would
-- begin with all that waits.
SELECT now() AS at,
    (SELECT count(*) FROM (SELECT FROM "WebhookEvent" e WHERE e.status = 'PROCESSING' ORDER BY e."createdAt", e.id LIMIT $1) AS part) AS unfinished,
    (SELECT e."createdAt" FROM "WebhookEvent" e
     WHERE e.status = 'PROCESSING'
        AND (SELECT true FROM "WaitingEvent" w WHERE w."eventId" = e.id LIMIT 1) IS NULL
     ORDER BY e."createdAt", e.id LIMIT 1) AS oldest,
    (SELECT count(*) FROM (SELECT DISTINCT w."eventId" FROM "WaitingEvent" w LIMIT $1) AS part) AS waiting,
    -- An event is FAILED when its attempts are used up, after three days and some.
    (SELECT count(*) FROM "WebhookEvent" e
     WHERE e.status = 'FAILED' AND e."createdAt" > now() - interval '5 days'
        AND e."processedAt" > now() - interval '1 hour') AS failed,
    (SELECT count(*) FROM "WebhookEvent" e
     WHERE e.status = 'VERIFICATION_FAILED' AND e."createdAt" > now() - interval '1 hour') AS refused,
    (SELECT count(*) FROM "WebhookEvent" e
     WHERE e.status = 'NO_CONFIG' AND e."createdAt" > now() - interval '1 hour') AS "noConfig",
    (SELECT e."createdAt" FROM "WebhookEvent" e
     WHERE e.status = 'COMPLETED' AND e.source = 'webhook' ORDER BY e."createdAt" DESC LIMIT 1) AS success,
    (SELECT count(*) FROM (SELECT FROM "Order" o WHERE o.status = 'PAYMENT_PENDING' LIMIT $1) AS part) AS pending,
    (SELECT count(*) FROM (SELECT FROM "Order" o WHERE o.status = 'PAYMENT_PENDING'
        AND o."createdAt" < now() - make_interval(secs => $2)
        AND (SELECT true FROM "Payment" p
             WHERE p."orderId" = o.id AND (p.status = 'REVIEW' OR p.status = 'PROCESSING' AND o."createdAt" > now() - make_interval(secs => $3))
             LIMIT 1) IS NULL
        LIMIT $1) AS part) AS stuck,
    (SELECT count(*) FROM (SELECT FROM "UndecidedPayment" LIMIT $1) AS part) AS undecided,
    (SELECT count(*) FROM "BackfillCursor" b
     JOIN "RestaurantPaymentConfig" c ON c."restaurantId" = b."restaurantId" AND c.provider = 'STRIPE'
     WHERE b.kind = 'periodic' AND b."lastError" <> '' AND c."isActive" AND btrim(c."secretKey") <> '') AS unaskable,
    (SELECT min(c."webhookSecretSetAt") FROM "RestaurantPaymentConfig" c
     WHERE c."isActive" AND c.provider = 'STRIPE' AND c."webhookSecret" IS NOT NULL) AS "oldestSecret",
    (SELECT count(*) FROM generate_series(now(), now() + interval '7 days', interval '7 days') AS week
     WHERE NOT EXISTS (SELECT FROM tillhook_partitions() p WHERE p.starts <= week AND week < p.ends)) AS "missingWeeks",
    (SELECT count(*) FROM (SELECT FROM "WebhookEvent_default" LIMIT $1) AS part) AS "inDefault"
