-- Stores a batch of deliveries. The payloads travel as one value that is cut
-- up here, since an array of bytea would be sent as hex text, twice the size.
-- Returns the ids that are new; the others were stored before.
INSERT INTO "WebhookEvent" (
    id, "providerEventId", "eventType", status, "restaurantId", "apiVersion",
    livemode, payload, "occurredAt", "lastError", "signedWith", source, "dedupeKey")
SELECT r.id, NULLIF(r.provider_event_id, ''), r.event_type, r.status, NULLIF(r.restaurant_id, ''), NULLIF(r.api_version, ''),
    r.livemode, substring($10::bytea FROM r.start FOR r.length), to_timestamp(r.occurred_at), NULLIF(r.last_error, ''),
    NULLIF(r.signed_with, ''), coalesce(NULLIF(r.source, ''), 'webhook'),
    CASE WHEN r.status = 'PROCESSING' THEN r.provider_event_id END
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[],
            $7::boolean[], $8::bigint[], $9::text[], $11::integer[], $12::integer[], $13::text[], $14::text[])
    AS r(id, provider_event_id, event_type, status, restaurant_id, api_version,
         livemode, occurred_at, last_error, start, length, signed_with, source)
ON CONFLICT ("dedupeKey", "restaurantId", provider, "occurredAt") DO NOTHING
RETURNING id
