-- Events whose payment is not known yet, by the names that would lead to it.
-- Whoever makes such a name known wakes them.
-- +goose Up
CREATE TABLE "WaitingEvent" (
    "restaurantId" text NOT NULL,
    name           text NOT NULL, -- the id of an object, an order or a payment
    "eventId"      text NOT NULL,
    "occurredAt"   timestamptz NOT NULL,
    "eventType"    text NOT NULL,
    "createdAt"    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("restaurantId", name, "eventId")
);
CREATE INDEX "WaitingEvent_eventId_idx" ON "WaitingEvent" ("eventId");

-- Wakes by a notification to the workers, at commit. An event that begins to
-- wait at the very moment misses it, and comes back by its own short backoff.
-- +goose StatementBegin
CREATE FUNCTION tillhook_wake() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    is_now jsonb := to_jsonb(NEW);
BEGIN
    PERFORM pg_notify('tillhook_waiting',
        concat_ws(' ', w."eventId", extract(epoch FROM w."occurredAt")::bigint, w."eventType"))
    FROM "WaitingEvent" w
    WHERE w."restaurantId" = NEW."restaurantId"
        AND w.name IN (is_now ->> 'objectId', is_now ->> 'orderId', is_now ->> 'id');
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER payment_object_wake AFTER INSERT ON "PaymentObject"
    FOR EACH ROW EXECUTE FUNCTION tillhook_wake();
CREATE TRIGGER payment_wake AFTER INSERT ON "Payment"
    FOR EACH ROW EXECUTE FUNCTION tillhook_wake();

-- +goose Down
DROP TRIGGER payment_object_wake ON "PaymentObject";
DROP TRIGGER payment_wake ON "Payment";
DROP FUNCTION tillhook_wake();
DROP TABLE "WaitingEvent";
