-- Every delivery that was verified, and a capped number of those that were not.
-- +goose Up
CREATE TABLE "WebhookEvent" (
    id                text NOT NULL,
    provider          text NOT NULL DEFAULT 'STRIPE',
    "providerEventId" text,
    "eventType"       text NOT NULL,
    status            text NOT NULL CHECK (status IN ('PROCESSING', 'COMPLETED', 'FAILED', 'VERIFICATION_FAILED', 'NO_CONFIG')),
    outcome           text CHECK (outcome IN ('applied', 'no_change', 'ignored')),
    "restaurantId"    text,
    "apiVersion"      text,
    livemode          boolean NOT NULL DEFAULT false,
    payload           bytea NOT NULL,
    "occurredAt"      timestamptz NOT NULL,
    attempts          integer NOT NULL DEFAULT 0,
    "lastError"       text,
    "createdAt"       timestamptz NOT NULL DEFAULT now(),
    "processedAt"     timestamptz,
    -- The provider's event id of a verified delivery, empty otherwise: what
    -- anyone can send must not be able to take a genuine event's place.
    "dedupeKey"       text,
    CHECK ("dedupeKey" IS NULL OR "restaurantId" IS NOT NULL),
    PRIMARY KEY (id, "occurredAt")
) PARTITION BY RANGE ("occurredAt");

-- A redelivery carries the same "created" as the first delivery, so that a key
-- which has to include the partition column is still unique over all of them.
-- It leads with the event id, which is also what operators search for.
CREATE UNIQUE INDEX "WebhookEvent_dedupe_key" ON "WebhookEvent" ("dedupeKey", "restaurantId", provider, "occurredAt");
CREATE INDEX "WebhookEvent_createdAt_idx" ON "WebhookEvent" ("createdAt");
-- What waits, and what a human must see: small, however long the history.
CREATE INDEX "WebhookEvent_open_idx" ON "WebhookEvent" ("createdAt", id) WHERE status <> 'COMPLETED';

-- A server built without lz4 keeps its default.
-- +goose StatementBegin
DO $$
BEGIN
    ALTER TABLE "WebhookEvent" ALTER COLUMN payload SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported OR invalid_parameter_value THEN
    NULL;
END $$;
-- +goose StatementEnd

-- "created" can be anything that a tenant signs.
CREATE TABLE "WebhookEvent_default" PARTITION OF "WebhookEvent" DEFAULT;

-- One partition a week, from Monday 00:00 UTC, named by its first day.
-- Returns how many were made. Rows that sit in the default partition for a
-- week keep that week from getting one: they are left where they are.
-- +goose StatementBegin
CREATE FUNCTION tillhook_create_partitions(from_time timestamptz, to_time timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    week timestamp := date_trunc('week', from_time AT TIME ZONE 'UTC');
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('tillhook_create_partitions'));
    WHILE week < to_time AT TIME ZONE 'UTC' LOOP
        IF to_regclass(format('%I', 'WebhookEvent_' || to_char(week, 'YYYYMMDD'))) IS NULL
            AND NOT EXISTS (
                SELECT FROM "WebhookEvent_default"
                WHERE "occurredAt" >= week AT TIME ZONE 'UTC' AND "occurredAt" < (week + interval '7 days') AT TIME ZONE 'UTC')
        THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF "WebhookEvent" FOR VALUES FROM (%L) TO (%L)',
                'WebhookEvent_' || to_char(week, 'YYYYMMDD'),
                week AT TIME ZONE 'UTC', (week + interval '7 days') AT TIME ZONE 'UTC');
            made := made + 1;
        END IF;
        week := week + interval '7 days';
    END LOOP;
    RETURN made;
END $$;
-- +goose StatementEnd

-- Stripe redelivers by hand for up to 30 days.
SELECT tillhook_create_partitions(now() - interval '35 days', now() + interval '35 days');

-- +goose Down
DROP TABLE "WebhookEvent";
DROP FUNCTION tillhook_create_partitions(timestamptz, timestamptz);
