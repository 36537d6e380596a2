-- How long ago it was is in microseconds: a receiver's clock may differ from the
-- database's, by which it is told whether a use was before or after a rotation.
-- Sorted by the caller, so that two processes can't deadlock.
INSERT INTO "SecretUse" ("restaurantId", fingerprint, "lastUsedAt")
SELECT u.restaurant_id, u.fingerprint, now() - u.ago * interval '1 microsecond'
FROM unnest($1::text[], $2::text[], $3::bigint[]) AS u(restaurant_id, fingerprint, ago)
WHERE EXISTS (SELECT FROM "Restaurant" r WHERE r.id = u.restaurant_id)
ON CONFLICT ("restaurantId", fingerprint) DO UPDATE
SET "lastUsedAt" = greatest("SecretUse"."lastUsedAt", excluded."lastUsedAt")
