-- Which order an event is about, changed it or not: what an operator searches
-- by, and what an audit folds.
-- +goose Up
ALTER TABLE "WebhookEvent" ADD COLUMN "orderId" text;
UPDATE "WebhookEvent" e SET "orderId" = t."orderId" FROM "OrderTransition" t WHERE t."webhookEventId" = e.id;
CREATE INDEX "WebhookEvent_orderId_idx" ON "WebhookEvent" ("orderId") WHERE "orderId" IS NOT NULL;

-- +goose Down
ALTER TABLE "WebhookEvent" DROP COLUMN "orderId";
