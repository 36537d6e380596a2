-- What becomes of a payment's story and links when it is deleted.
--
-- A payment may have been moved to another order before. What it did to the first one
-- stays told there: that order still is what the payment has made of it, nobody
-- else's story says why, and to find it without the order all stories had to be read.
-- What it did since is told at the order that it goes from, and goes with it.
--
-- Another payment of the order may have been put in its place already, with the same
-- session. That one could not be linked while the first was there, and is when it goes:
-- else no event would ever lead to it. One that is being deleted, too, is left out, and
-- one that is linked can't be until this is committed: a link to nobody would be left.
-- +goose Up
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tillhook_payment_gone() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM "OrderTransition" t WHERE t."orderId" = OLD."orderId" AND t."paymentId" = OLD.id;
    DELETE FROM "PaymentObject" l WHERE l."paymentId" = OLD.id;
    INSERT INTO "PaymentObject" ("restaurantId", "objectId", "paymentId", "fromPayment")
    SELECT p."restaurantId", p."providerPaymentId", p.id, p.facts = '{}' -- else an event may have named it
    FROM "Payment" p
    WHERE p."orderId" = OLD."orderId" AND p."providerPaymentId" IS NOT NULL AND NOT EXISTS (
        SELECT FROM "PaymentObject" l WHERE l."objectId" = p."providerPaymentId" AND l."restaurantId" = p."restaurantId")
    ORDER BY p."createdAt", p.id
    FOR KEY SHARE SKIP LOCKED
    ON CONFLICT ("restaurantId", "objectId") DO NOTHING;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- +goose Down
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tillhook_payment_gone() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM "OrderTransition" t WHERE t."orderId" = OLD."orderId" AND t."paymentId" = OLD.id;
    DELETE FROM "PaymentObject" l WHERE l."paymentId" = OLD.id;
    RETURN NULL;
END $$;
-- +goose StatementEnd
