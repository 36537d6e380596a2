-- Of events that a restaurant's account has, those that lead to another
-- restaurant's orders and to none of its own. Like in link_foreign, of the
-- objects only those count that the ordering application itself linked.
SELECT k.n
FROM unnest($2::integer[], $3::text[], $4::text[]) AS k(n, kind, id)
JOIN LATERAL (
    SELECT l."restaurantId", l."fromPayment" OR l."restaurantId" = $1 AS counts
    FROM "PaymentObject" l WHERE k.kind = 'object' AND l."objectId" = k.id
    UNION ALL
    SELECT o."restaurantId", true FROM "Order" o WHERE k.kind = 'order' AND o.id = k.id) AS owner ON owner.counts
GROUP BY k.n
HAVING NOT bool_or(owner."restaurantId" = $1)
