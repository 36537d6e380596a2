-- Times are in microseconds. Sorted by the caller, so that two processes can't deadlock.
UPDATE "ApiKey" k SET "lastUsedAt" = greatest(k."lastUsedAt", to_timestamp(u.used_at / 1000000.0))
FROM unnest($1::text[], $2::bigint[]) AS u(id, used_at)
WHERE k.id = u.id
