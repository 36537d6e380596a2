-- $3 seconds to the next look, doubled with each that found the same, up to a
-- day; or not, if $4 says that nothing was found out.
UPDATE "OrderLookup"
SET finding = $2, "lookedAt" = now(),
    looks = CASE WHEN finding IS NOT DISTINCT FROM $2 THEN looks + 1 ELSE 1 END,
    "nextLookAt" = now() + make_interval(secs => least(86400,
        $3 * power(2, CASE WHEN finding IS NOT DISTINCT FROM $2 AND NOT $4 THEN least(looks, 20) ELSE 0 END)))
WHERE "orderId" = $1
