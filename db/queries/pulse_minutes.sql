-- What arrived in each minute from $1 until $2, how long it took to be worked
-- off, in milliseconds, and what has become FAILED in it: that is when the
-- attempts are used up, three days and some after the event was stored, which
-- the small index of failures has.
WITH arrived AS (
    SELECT date_trunc('minute', e."createdAt") AS minute, count(*) AS stored,
        count(*) FILTER (WHERE e.status IN ('VERIFICATION_FAILED', 'NO_CONFIG')) AS refused,
        count(*) FILTER (WHERE e.status = 'NO_CONFIG') AS "noConfig",
        coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e."processedAt" - e."createdAt") * 1000), 0) AS median,
        coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM e."processedAt" - e."createdAt") * 1000), 0) AS p95
    FROM "WebhookEvent" e
    WHERE e."createdAt" >= $1::timestamptz AND e."createdAt" < $2::timestamptz
    GROUP BY 1
), failures AS (
    SELECT date_trunc('minute', e."processedAt") AS minute, count(*) AS failed
    FROM "WebhookEvent" e
    WHERE e.status = 'FAILED' AND e."createdAt" > $1::timestamptz - interval '5 days' AND e."createdAt" < $2::timestamptz
        AND e."processedAt" >= $1::timestamptz AND e."processedAt" < $2::timestamptz
    GROUP BY 1
)
SELECT minute, coalesce(a.stored, 0) AS stored, coalesce(a.refused, 0) AS refused, coalesce(a."noConfig", 0) AS "noConfig",
    coalesce(f.failed, 0) AS failed, coalesce(a.median, 0) AS median, coalesce(a.p95, 0) AS p95
FROM arrived a FULL JOIN failures f USING (minute)
ORDER BY minute
