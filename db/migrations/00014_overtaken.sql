-- How a statement that changes many rows says that one of them is not any more
-- what it was when it was read: all of it is undone then.
-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION tillhook_overtaken() RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'somebody else has changed an order, a payment or an event of the batch' USING ERRCODE = 'serialization_failure';
END $$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION tillhook_overtaken();
