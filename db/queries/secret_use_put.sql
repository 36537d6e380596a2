-- Times are in microseconds. Sorted by the caller, so that two processes can't deadlock.
INSERT INTO "SecretUse" ("restaurantId", fingerprint, "lastUsedAt")
SELECT u.restaurant_id, u.fingerprint, to_timestamp(u.used_at / 1000000.0)
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS u(restaurant_id, fingerprint, used_at)
WHERE EXISTS (SELECT FROM "Restaurant" r WHERE r.id = u.restaurant_id)
ON CONFLICT ("restaurantId", fingerprint) DO UPDATE
SET "lastUsedAt" = greatest("SecretUse"."lastUsedAt", excluded."lastUsedAt")
