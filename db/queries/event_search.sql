-- Events by what an operator knows of them, newest first; an empty value asks
-- for nothing. The values are known when the statement is planned, so that
-- each search is planned as if it had only what was asked. An event is
-- about an order whether or not it has changed it. What was refused is found by the
-- id that its sender gave it, too.
SELECT e.id, coalesce(e."providerEventId", '') AS "providerEventId", e."eventType", e.status,
    coalesce(e.outcome, '') AS outcome, coalesce(e."restaurantId", '') AS "restaurantId",
    coalesce(e."apiVersion", '') AS "apiVersion", e.livemode, e."occurredAt", e."createdAt", e."processedAt",
    e.attempts, coalesce(e."lastError", '') AS "lastError", coalesce(e."signedWith", '') AS "signedWith",
    coalesce(e."orderId", '') AS "orderId", e.source, length(e.payload) AS bytes,
    coalesce((SELECT r.slug FROM "Restaurant" r WHERE r.id = e."restaurantId"), '') AS slug,
    coalesce((SELECT string_agg(w.name, ', ' ORDER BY w.name) FROM "WaitingEvent" w
              WHERE w."eventId" = e.id AND e.status = 'PROCESSING'), '') AS "waitsFor"
FROM "WebhookEvent" e
WHERE ($1 = '' OR e.status = $1)
    AND ($2 = '' OR e."eventType" LIKE $2)
    AND ($3 = '' OR e."restaurantId" = $3 OR e."restaurantId" = (SELECT r.id FROM "Restaurant" r WHERE r.slug = $3))
    AND (cardinality($4::text[]) = 0 OR e.id = ANY($4::text[]) OR e."dedupeKey" = ANY($4::text[])
        OR e.status IN ('VERIFICATION_FAILED', 'NO_CONFIG') AND e."providerEventId" = ANY($4::text[]))
    AND ($5 = '' OR e."orderId" = $5)
    AND ($6::timestamptz IS NULL OR e."createdAt" >= $6::timestamptz)
    AND ($7::timestamptz IS NULL OR e."createdAt" < $7::timestamptz)
ORDER BY e."createdAt" DESC, e.id DESC
LIMIT $8
