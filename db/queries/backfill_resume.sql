-- What an interrupted command has done already.
SELECT since, "coveredUntil" FROM "BackfillCursor" WHERE "restaurantId" = $1 AND kind = 'ops'
