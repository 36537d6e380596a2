DELETE FROM "WaitingEvent" WHERE "eventId" = ANY($1::text[])
