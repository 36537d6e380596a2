INSERT INTO "BackfillCursor" ("restaurantId", kind, since, "coveredUntil", "lastRunAt")
VALUES ($1, 'ops', $2, $3, now())
ON CONFLICT ("restaurantId", kind) DO UPDATE
SET since = excluded.since, "coveredUntil" = excluded."coveredUntil", "lastRunAt" = excluded."lastRunAt"
