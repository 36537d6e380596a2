UPDATE "BackfillCursor"
SET "coveredUntil" = greatest("coveredUntil", $2::timestamptz), stored = stored + $3, "lastError" = NULLIF($4, ''),
    "nextRunAt" = now() + make_interval(secs => $5), "lastRunAt" = now()
WHERE "restaurantId" = $1 AND kind = 'periodic'
