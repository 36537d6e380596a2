-- A page of events, newest first, before the row ($8, $9), for who searches by
-- hand. All but the type is found by an index. By type, $11 events are looked
-- through at the most, so that a rare type costs no more than a common one; the
-- last one looked at is answered with each row, and alone if none is like that.
WITH scanned AS MATERIALIZED (
    SELECT e.id, e."providerEventId", e."eventType", e.status, e.outcome, e."restaurantId", e."apiVersion", e.livemode,
        e."occurredAt", e."createdAt", e."processedAt", e.attempts, e."lastError", e."signedWith", e."orderId", e.source
    FROM "WebhookEvent" e
    WHERE ($1 = '' OR e.status = $1)
        AND ($3 = '' OR e."restaurantId" = $3)
        AND (cardinality($4::text[]) = 0 OR e.id = ANY($4::text[]) OR e."dedupeKey" = ANY($4::text[])
            OR e.status IN ('VERIFICATION_FAILED', 'NO_CONFIG') AND e."providerEventId" = ANY($4::text[]))
        AND ($5 = '' OR e."orderId" = $5)
        AND ($6::timestamptz IS NULL OR e."createdAt" >= $6::timestamptz)
        AND ($7::timestamptz IS NULL OR e."createdAt" < $7::timestamptz)
        AND ($8::timestamptz IS NULL OR (e."createdAt", e.id) < ($8::timestamptz, $9::text))
    ORDER BY e."createdAt" DESC, e.id DESC
    LIMIT $11
), looked AS (
    SELECT count(*) AS n, min(s."createdAt") AS at, (array_agg(s.id ORDER BY s."createdAt", s.id))[1] AS id FROM scanned s
), page AS (
    SELECT * FROM scanned s WHERE $2 = '' OR s."eventType" LIKE $2 ORDER BY s."createdAt" DESC, s.id DESC LIMIT $10
)
SELECT l.n AS looked, coalesce(l.at, 'epoch') AS "lookedTo", coalesce(l.id, '') AS "lookedId",
    coalesce(p.id, '') AS id, coalesce(p."providerEventId", '') AS "providerEventId", coalesce(p."eventType", '') AS "eventType",
    coalesce(p.status, '') AS status, coalesce(p.outcome, '') AS outcome, coalesce(p."restaurantId", '') AS "restaurantId",
    coalesce(p."apiVersion", '') AS "apiVersion", coalesce(p.livemode, false) AS livemode,
    coalesce(p."occurredAt", 'epoch') AS "occurredAt", coalesce(p."createdAt", 'epoch') AS "createdAt", p."processedAt",
    coalesce(p.attempts, 0) AS attempts, coalesce(p."lastError", '') AS "lastError",
    coalesce(p."signedWith", '') AS "signedWith", coalesce(p."orderId", '') AS "orderId", coalesce(p.source, '') AS source, 0 AS bytes,
    coalesce((SELECT r.slug FROM "Restaurant" r WHERE r.id = p."restaurantId"), '') AS slug,
    coalesce((SELECT string_agg(w.name, ', ' ORDER BY w.name) FROM "WaitingEvent" w
              WHERE w."eventId" = p.id AND p.status = 'PROCESSING'), '') AS "waitsFor"
FROM looked l LEFT JOIN page p ON true
ORDER BY p."createdAt" DESC, p.id DESC
