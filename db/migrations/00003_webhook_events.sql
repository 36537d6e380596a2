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
    "signedWith"      text CHECK ("signedWith" IN ('current', 'previous')),
    CHECK ("dedupeKey" IS NULL OR "restaurantId" IS NOT NULL),
    -- Nobody may put a forged delivery to work, not even by hand.
    CHECK ("dedupeKey" IS NOT NULL OR status IN ('VERIFICATION_FAILED', 'NO_CONFIG')),
    PRIMARY KEY (id, "occurredAt")
) PARTITION BY RANGE ("occurredAt");

-- A redelivery carries the same "created" as the first delivery, so that a key
-- which has to include the partition column is still unique over all of them.
-- It leads with the event id, which is also what operators search for.
CREATE UNIQUE INDEX "WebhookEvent_dedupe_key" ON "WebhookEvent" ("dedupeKey", "restaurantId", provider, "occurredAt");
CREATE INDEX "WebhookEvent_createdAt_idx" ON "WebhookEvent" ("createdAt");
-- What waits: small, however long the history.
CREATE INDEX "WebhookEvent_processing_idx" ON "WebhookEvent" ("createdAt", id) WHERE status = 'PROCESSING';
-- What a human must see.
CREATE INDEX "WebhookEvent_failed_idx" ON "WebhookEvent" (status, "createdAt") WHERE status NOT IN ('PROCESSING', 'COMPLETED');
-- When was the old secret last used: the rows of a rotation's overlap only.
CREATE INDEX "WebhookEvent_previous_idx" ON "WebhookEvent" ("restaurantId", "createdAt") WHERE "signedWith" = 'previous';
-- Last success and last failure of one restaurant.
CREATE INDEX "WebhookEvent_restaurant_idx" ON "WebhookEvent" ("restaurantId", "createdAt");

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

-- One partition a week, from Monday 00:00 UTC, named by its first day. Rows of
-- that week which are in the default partition move: a restaurant that signs a
-- time in the future must not keep everybody's week from being made. Attaching
-- a finished table doesn't lock out the writers, and it gives up rather than
-- make others queue behind it. Returns how many were made.
-- +goose StatementBegin
CREATE FUNCTION tillhook_create_partitions(from_time timestamptz, to_time timestamptz) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    week      timestamp := date_trunc('week', from_time AT TIME ZONE 'UTC');
    name      text;
    first_day timestamptz;
    next_week timestamptz;
    made      integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('tillhook_create_partitions'));
    PERFORM set_config('lock_timeout', '1s', true);
    WHILE week < to_time AT TIME ZONE 'UTC' LOOP
        name := 'WebhookEvent_' || to_char(week, 'YYYYMMDD');
        IF to_regclass(format('%I', name)) IS NULL THEN
            first_day := week AT TIME ZONE 'UTC';
            next_week := (week + interval '7 days') AT TIME ZONE 'UTC';
            EXECUTE format('CREATE TABLE %I (LIKE "WebhookEvent" INCLUDING ALL)', name);
            EXECUTE format('WITH moved AS (DELETE FROM "WebhookEvent_default"
                WHERE "occurredAt" >= %L AND "occurredAt" < %L RETURNING *)
                INSERT INTO %I SELECT * FROM moved', first_day, next_week, name);
            EXECUTE format('ALTER TABLE "WebhookEvent" ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                name, first_day, next_week);
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
