-- What a batch of a worker costs in triggers: wake once a statement, not once a
-- row, and link what the ordering application writes, not what the worker has
-- linked already.
-- +goose Up
DROP TRIGGER payment_object_wake ON "PaymentObject";
DROP TRIGGER payment_wake ON "Payment";
DROP FUNCTION tillhook_wake();

-- +goose StatementBegin
CREATE FUNCTION tillhook_wake_by_object() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tillhook_waiting',
        concat_ws(' ', w."eventId", extract(epoch FROM w."occurredAt")::bigint, w."eventType"))
    FROM made m JOIN "WaitingEvent" w ON w."restaurantId" = m."restaurantId" AND w.name = m."objectId";
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION tillhook_wake_by_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tillhook_waiting',
        concat_ws(' ', w."eventId", extract(epoch FROM w."occurredAt")::bigint, w."eventType"))
    FROM made m JOIN "WaitingEvent" w ON w."restaurantId" = m."restaurantId" AND w.name IN (m.id, m."orderId");
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER payment_object_wake AFTER INSERT ON "PaymentObject"
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION tillhook_wake_by_object();
CREATE TRIGGER payment_wake AFTER INSERT ON "Payment"
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION tillhook_wake_by_payment();

-- The worker writes the facts with the id, and the links before them.
DROP TRIGGER payment_link_update ON "Payment";
CREATE TRIGGER payment_link_update AFTER UPDATE OF "providerPaymentId" ON "Payment"
    FOR EACH ROW WHEN (NEW."providerPaymentId" IS DISTINCT FROM OLD."providerPaymentId"
        AND NEW."providerPaymentId" IS NOT NULL AND NEW.facts = OLD.facts)
    EXECUTE FUNCTION tillhook_payment_link();

-- +goose Down
DROP TRIGGER payment_link_update ON "Payment";
CREATE TRIGGER payment_link_update AFTER UPDATE OF "providerPaymentId" ON "Payment"
    FOR EACH ROW WHEN (NEW."providerPaymentId" IS DISTINCT FROM OLD."providerPaymentId" AND NEW."providerPaymentId" IS NOT NULL)
    EXECUTE FUNCTION tillhook_payment_link();
DROP TRIGGER payment_object_wake ON "PaymentObject";
DROP TRIGGER payment_wake ON "Payment";
DROP FUNCTION tillhook_wake_by_object();
DROP FUNCTION tillhook_wake_by_payment();
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
