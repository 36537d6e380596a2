UPDATE "Order" o
SET status = r.status
FROM unnest($1::text[], $2::text[]) AS r(id, status)
WHERE o.id = r.id
