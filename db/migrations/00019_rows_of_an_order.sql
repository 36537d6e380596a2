-- Who writes an order's story or a payment's links has locked the order and the
-- payment. To have the database look both up, and lock them once more, for each row
-- was nearly a tenth of what it takes to settle a batch: so these rows have no
-- references any more, and who goes takes them along by a trigger. A payment's story
-- is found by its order, which has an index: by the payment all stories had to be read.
--
-- As with a reference, who may delete a payment need not have rights on these rows.
-- He must not be able to put tables of his own in their place either, nor to have
-- these rows deleted by a trigger of a table of his own: whoever may run a trigger's
-- function may make such a trigger, and to fire one takes no right to run it.
-- +goose Up
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- +goose StatementBegin
CREATE FUNCTION tillhook_order_gone() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM "OrderTransition" t WHERE t."orderId" = OLD.id;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION tillhook_payment_gone() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM "OrderTransition" t WHERE t."orderId" = OLD."orderId" AND t."paymentId" = OLD.id;
    DELETE FROM "PaymentObject" l WHERE l."paymentId" = OLD.id;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- Who empties the orders empties the payments, which refer to them. Not TRUNCATE: he
-- may be about to empty these tables, too.
-- +goose StatementBegin
CREATE FUNCTION tillhook_all_gone() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM "OrderTransition";
    DELETE FROM "PaymentObject";
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION tillhook_keep_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the id of % cannot change: its story and its links name it', OLD.id
        USING ERRCODE = 'foreign_key_violation';
END $$;
-- +goose StatementEnd

REVOKE EXECUTE ON FUNCTION tillhook_order_gone(), tillhook_payment_gone(), tillhook_all_gone() FROM PUBLIC;

-- Row by row, as with a reference: what one statement puts in a payment's place is
-- linked when the links of the one before have gone, and not before.
CREATE TRIGGER order_gone AFTER DELETE ON "Order"
    FOR EACH ROW EXECUTE FUNCTION tillhook_order_gone();
CREATE TRIGGER payment_gone AFTER DELETE ON "Payment"
    FOR EACH ROW EXECUTE FUNCTION tillhook_payment_gone();
CREATE TRIGGER payment_all_gone AFTER TRUNCATE ON "Payment"
    FOR EACH STATEMENT EXECUTE FUNCTION tillhook_all_gone();
CREATE TRIGGER order_keep_id BEFORE UPDATE OF id ON "Order"
    FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION tillhook_keep_id();
CREATE TRIGGER payment_keep_id BEFORE UPDATE OF id ON "Payment"
    FOR EACH ROW WHEN (NEW.id <> OLD.id) EXECUTE FUNCTION tillhook_keep_id();

ALTER TABLE "OrderTransition" DROP CONSTRAINT "OrderTransition_orderId_fkey", DROP CONSTRAINT "OrderTransition_paymentId_fkey";
ALTER TABLE "PaymentObject" DROP CONSTRAINT "PaymentObject_paymentId_fkey";

-- +goose Down
-- A payment that has changed its order has left its story there, and may be gone.
DELETE FROM "OrderTransition" t WHERE t."paymentId" IS NOT NULL AND NOT EXISTS (SELECT FROM "Payment" p WHERE p.id = t."paymentId");
ALTER TABLE "PaymentObject" ADD CONSTRAINT "PaymentObject_paymentId_fkey"
    FOREIGN KEY ("paymentId") REFERENCES "Payment" (id) ON DELETE CASCADE;
ALTER TABLE "OrderTransition"
    ADD CONSTRAINT "OrderTransition_orderId_fkey" FOREIGN KEY ("orderId") REFERENCES "Order" (id) ON DELETE CASCADE,
    ADD CONSTRAINT "OrderTransition_paymentId_fkey" FOREIGN KEY ("paymentId") REFERENCES "Payment" (id) ON DELETE CASCADE;
DROP TRIGGER payment_keep_id ON "Payment";
DROP TRIGGER order_keep_id ON "Order";
DROP TRIGGER payment_all_gone ON "Payment";
DROP TRIGGER payment_gone ON "Payment";
DROP TRIGGER order_gone ON "Order";
DROP FUNCTION tillhook_keep_id();
DROP FUNCTION tillhook_all_gone();
DROP FUNCTION tillhook_payment_gone();
DROP FUNCTION tillhook_order_gone();
