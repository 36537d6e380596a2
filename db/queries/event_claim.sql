-- Claims a page of the events that have been unfinished for longer than $1
-- seconds, oldest first, after the row ($2, $3), for $5 seconds. Events that
-- somebody has claimed or is working on at this moment are left out, so nobody
-- waits for anybody. Run after plan_in_order. The claim is looked up by a
-- subquery for each row: a join might be a hash of all claims, once a page.
-- Answers the whole page: of two workers in the same instant, whoever writes the
-- claim first has it.
WITH page AS (
    SELECT e.id, e."occurredAt", e."eventType", e."createdAt"
    FROM "WebhookEvent" e
    WHERE e.status = 'PROCESSING'
        AND e."createdAt" < now() - make_interval(secs => $1)
        AND (e."createdAt", e.id) > ($2::timestamptz, $3::text)
        AND coalesce((SELECT c.until < now() FROM "RecoveryClaim" c WHERE c."eventId" = e.id), true)
    ORDER BY e."createdAt", e.id
    LIMIT $4
    FOR UPDATE OF e SKIP LOCKED
), claimed AS (
    INSERT INTO "RecoveryClaim" AS c ("eventId", until)
    SELECT DISTINCT p.id, now() + make_interval(secs => $5) FROM page p ORDER BY p.id
    ON CONFLICT ("eventId") DO UPDATE SET until = excluded.until WHERE c.until < now()
    RETURNING c."eventId"
)
SELECT p.id, extract(epoch FROM p."occurredAt")::bigint AS "occurredAt", p."eventType", p."createdAt",
    p.id IN (SELECT m."eventId" FROM claimed m) AS claimed
FROM page p
ORDER BY p."createdAt", p.id
