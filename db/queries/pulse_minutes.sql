-- What arrived in each minute from $1 until $2, and how long it took to be
-- worked off, in milliseconds.
SELECT date_trunc('minute', e."createdAt") AS minute, count(*) AS stored,
    count(*) FILTER (WHERE e.status IN ('VERIFICATION_FAILED', 'NO_CONFIG')) AS refused,
    count(*) FILTER (WHERE e.status = 'FAILED') AS failed,
    coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e."processedAt" - e."createdAt") * 1000), 0) AS median,
    coalesce(percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM e."processedAt" - e."createdAt") * 1000), 0) AS p95
FROM "WebhookEvent" e
WHERE e."createdAt" >= $1 AND e."createdAt" < $2
GROUP BY 1
ORDER BY 1
