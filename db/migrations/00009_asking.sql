-- Asking Stripe: where an event comes from, how far back we have asked, and
-- what was found out about orders that stay unpaid.
-- +goose Up
-- What isn't a webhook was told by Stripe when we asked with the restaurant's
-- API key; no secret has signed it.
ALTER TABLE "WebhookEvent" ADD COLUMN source text NOT NULL DEFAULT 'webhook'
    CHECK (source IN ('webhook', 'backfill', 'reconcile'));

-- How far each restaurant's events were asked for: by the workers ('periodic'),
-- and by an operator who was interrupted ('ops').
CREATE TABLE "BackfillCursor" (
    "restaurantId" text NOT NULL REFERENCES "Restaurant" (id) ON DELETE CASCADE,
    kind           text NOT NULL CHECK (kind IN ('periodic', 'ops')),
    since          timestamptz NOT NULL,
    "coveredUntil" timestamptz NOT NULL, -- everything between the two was looked at
    "nextRunAt"    timestamptz NOT NULL DEFAULT now(), -- a worker that has begun puts this off
    "lastRunAt"    timestamptz,
    "lastError"    text,
    stored         bigint NOT NULL DEFAULT 0, -- events that had never reached us
    PRIMARY KEY ("restaurantId", kind)
);

-- What Stripe has said of an order that was pending for too long. An order that
-- has been settled since keeps its row.
CREATE TABLE "OrderLookup" (
    "orderId"    text PRIMARY KEY REFERENCES "Order" (id) ON DELETE CASCADE,
    finding      text,
    looks        integer NOT NULL DEFAULT 0, -- in a row with the same finding
    "lookedAt"   timestamptz,
    "nextLookAt" timestamptz NOT NULL
);

-- +goose Down
DROP TABLE "OrderLookup";
DROP TABLE "BackfillCursor";
ALTER TABLE "WebhookEvent" DROP COLUMN source;
