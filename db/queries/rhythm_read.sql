-- How the deliveries of restaurant $1 have come in two weeks: from each hour
-- with one, the index leads to the first of the next. Partitions that can't
-- hold any are left out by Stripe's time, with a day for late ones.
WITH RECURSIVE busy AS (
    (SELECT e."createdAt" AS at FROM "WebhookEvent" e
     WHERE e."restaurantId" = $1 AND e."createdAt" > now() - interval '14 days'
        AND e."occurredAt" BETWEEN now() - interval '18 days' AND now() + interval '1 day'
        AND e.status NOT IN ('VERIFICATION_FAILED', 'NO_CONFIG') AND e.source = 'webhook'
     ORDER BY e."createdAt" LIMIT 1)
    UNION ALL
    SELECT (SELECT e."createdAt" FROM "WebhookEvent" e
            WHERE e."restaurantId" = $1 AND e."createdAt" >= date_trunc('hour', b.at) + interval '1 hour'
                AND e."occurredAt" BETWEEN now() - interval '18 days' AND now() + interval '1 day'
                AND e.status NOT IN ('VERIFICATION_FAILED', 'NO_CONFIG') AND e.source = 'webhook'
            ORDER BY e."createdAt" LIMIT 1)
    FROM busy b WHERE b.at IS NOT NULL
), gaps AS (
    SELECT b.at, extract(epoch FROM b.at - lag(b.at) OVER (ORDER BY b.at)) AS gap FROM busy b WHERE b.at IS NOT NULL
)
SELECT count(*) AS hours, now() AS "readAt",
    (SELECT max(e."createdAt") FROM "WebhookEvent" e
     WHERE e."restaurantId" = $1 AND e."createdAt" >= (SELECT max(g.at) FROM gaps g)
        AND e.status NOT IN ('VERIFICATION_FAILED', 'NO_CONFIG') AND e.source = 'webhook') AS last,
    coalesce(percentile_disc(0.95) WITHIN GROUP (ORDER BY gap), 0)::float8 AS usual,
    coalesce(max(gap), 0)::float8 AS longest
FROM gaps
