-- The partitions of "WebhookEvent", oldest first, the default one last. Rows
-- are the planner's estimate, -1 before there is one.
SELECT p.name, p.starts, p.ends, c.reltuples::bigint AS rows,
    coalesce(pg_total_relation_size(p.part), 0) AS bytes, coalesce(u.unfinished, 0) AS unfinished
FROM tillhook_partitions() p
JOIN pg_class c ON c.oid = p.part
LEFT JOIN (SELECT e.tableoid, count(*) AS unfinished FROM "WebhookEvent" e WHERE e.status = 'PROCESSING' GROUP BY e.tableoid)
    AS u ON u.tableoid = p.part
ORDER BY p.starts NULLS LAST
