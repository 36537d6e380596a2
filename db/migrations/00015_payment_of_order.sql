-- An order's state rests on all of its payments, and a batch that has read them
-- asks the rows' versions whether it still is as it was. A payment that comes
-- meanwhile is no row that was read: it makes the order another version, or waits
-- for who holds it. An order of the same transaction nobody has read yet.
-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION tillhook_payment_of_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE "Order" SET status = status WHERE id = NEW."orderId" AND xmin <> pg_current_xact_id()::xid;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER payment_of_order AFTER INSERT OR UPDATE OF "orderId" ON "Payment"
    FOR EACH ROW EXECUTE FUNCTION tillhook_payment_of_order();

-- +goose Down
DROP TRIGGER payment_of_order ON "Payment";
DROP FUNCTION tillhook_payment_of_order();
