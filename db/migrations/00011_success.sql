-- When an event was last worked off, which anybody may ask every second: found
-- at one end of an index, and not behind a backlog of those that still wait.
-- +goose Up
CREATE INDEX "WebhookEvent_success_idx" ON "WebhookEvent" ("createdAt") WHERE status = 'COMPLETED' AND source = 'webhook';

-- +goose Down
DROP INDEX "WebhookEvent_success_idx";
