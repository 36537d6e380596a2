DELETE FROM "BackfillCursor" WHERE "restaurantId" = $1 AND kind = 'ops'
