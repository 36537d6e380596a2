INSERT INTO "WaitingEvent" ("restaurantId", name, "eventId", "occurredAt", "eventType")
SELECT w.restaurant_id, w.name, w.event_id, to_timestamp(w.occurred_at), w.event_type
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[])
    AS w(restaurant_id, name, event_id, occurred_at, event_type)
ON CONFLICT ("restaurantId", name, "eventId") DO NOTHING
