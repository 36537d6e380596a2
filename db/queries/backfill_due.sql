-- A new key is tried at once.
UPDATE "BackfillCursor" SET "nextRunAt" = least("nextRunAt", now()) WHERE "restaurantId" = $1 AND kind = 'periodic'
