-- Which unfinished events are looked after already, and until when.
-- +goose Up
-- A worker claims events before it looks for their tasks, so that many workers
-- share the work. A claim ends by itself: one of a worker that has died, too.
-- It is a row of its own, because the event's is written once more only, when
-- it is finished; and unlogged, because to lose it costs one more look.
CREATE UNLOGGED TABLE "RecoveryClaim" (
    "eventId" text PRIMARY KEY,
    until     timestamptz NOT NULL
);

-- +goose Down
DROP TABLE "RecoveryClaim";
