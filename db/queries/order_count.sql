-- Orders by status, without reading a large table: one of up to $1 pages is
-- counted; of a larger one, each status has the share that the server's
-- statistics give it, of as many rows as its pages hold at the density that was
-- last seen. That is how the planner reckons; autovacuum renews the shares when
-- a tenth of the rows have changed. What is too rare for the statistics is left
-- out, and what waits for its payment, which state_read counts.
WITH size AS MATERIALIZED (
    SELECT pg_relation_size(c.oid) / current_setting('block_size')::bigint AS pages, c.reltuples, c.relpages
    FROM pg_class c WHERE c.oid = '"Order"'::regclass
), counted AS (
    SELECT o.status, count(*) AS orders
    FROM "Order" o
    WHERE (SELECT s.pages FROM size s) <= $1
    GROUP BY o.status
), reckoned AS (
    SELECT share.status, round(share.freq * s.reltuples / greatest(s.relpages, 1) * s.pages)::bigint AS orders
    FROM size s
    JOIN pg_stats p ON p.schemaname = current_schema() AND p.tablename = 'Order' AND p.attname = 'status'
    CROSS JOIN LATERAL unnest(p.most_common_vals::text::text[], p.most_common_freqs) AS share (status, freq)
    WHERE s.pages > $1 AND s.reltuples > 0
)
SELECT status, orders
FROM (SELECT * FROM counted UNION ALL SELECT * FROM reckoned) AS every
WHERE status <> 'PAYMENT_PENDING'
ORDER BY orders DESC, status
LIMIT 20
