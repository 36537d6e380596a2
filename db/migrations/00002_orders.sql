-- Orders and payments. The ordering application writes them too, and names
-- only some of the columns: defaults and triggers fill the rest. The states
-- are text without a check, since an order's later states are not ours.
-- +goose Up
CREATE TABLE "Order" (
    id             text PRIMARY KEY,
    "restaurantId" text NOT NULL REFERENCES "Restaurant" (id),
    status         text NOT NULL DEFAULT 'PAYMENT_PENDING',
    "totalAmount"  bigint NOT NULL CHECK ("totalAmount" >= 0),
    currency       text NOT NULL,
    "createdAt"    timestamptz NOT NULL DEFAULT now(),
    "updatedAt"    timestamptz NOT NULL DEFAULT now(),
    "paidAt"       timestamptz
);
-- The operators' query for stuck orders, newest first.
CREATE INDEX "Order_pending_idx" ON "Order" ("createdAt") WHERE status = 'PAYMENT_PENDING';

CREATE TABLE "Payment" (
    id                  text PRIMARY KEY,
    "orderId"           text NOT NULL REFERENCES "Order" (id),
    "restaurantId"      text NOT NULL REFERENCES "Restaurant" (id),
    provider            text NOT NULL DEFAULT 'STRIPE',
    status              text NOT NULL DEFAULT 'PENDING',
    "providerPaymentId" text,
    amount              bigint NOT NULL CHECK (amount >= 0),
    currency            text NOT NULL,
    livemode            boolean, -- NULL until the session or the first event says
    "amountRefunded"    bigint NOT NULL DEFAULT 0,
    facts               jsonb NOT NULL DEFAULT '{}',
    "createdAt"         timestamptz NOT NULL DEFAULT now(),
    "updatedAt"         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "Payment_orderId_idx" ON "Payment" ("orderId");

CREATE TABLE "PaymentObject" (
    "restaurantId" text NOT NULL,
    "objectId"     text NOT NULL,
    "paymentId"    text NOT NULL REFERENCES "Payment" (id) ON DELETE CASCADE,
    -- Where the link comes from. What the ordering application wrote can be
    -- believed when it says that an object is another restaurant's; what an
    -- event said can't, since a restaurant can sign events with anybody's ids.
    "fromPayment"  boolean NOT NULL DEFAULT false,
    PRIMARY KEY ("restaurantId", "objectId")
);
-- Before a signature is verified the restaurant is what we look for.
CREATE INDEX "PaymentObject_objectId_idx" ON "PaymentObject" ("objectId");
CREATE INDEX "PaymentObject_paymentId_idx" ON "PaymentObject" ("paymentId");

CREATE TABLE "OrderTransition" (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "orderId"        text NOT NULL REFERENCES "Order" (id) ON DELETE CASCADE,
    "paymentId"      text REFERENCES "Payment" (id) ON DELETE CASCADE,
    "webhookEventId" text, -- without a reference: events are dropped by age, the story stays
    "orderFrom"      text NOT NULL,
    "orderTo"        text NOT NULL,
    "paymentFrom"    text,
    "paymentTo"      text,
    reason           text NOT NULL,
    "createdAt"      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "OrderTransition_orderId_idx" ON "OrderTransition" ("orderId", id);

-- +goose StatementBegin
CREATE FUNCTION tillhook_order_before_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.currency := lower(NEW.currency);
    -- Some applications name every column, with NULL for what they leave out.
    NEW.status := coalesce(NEW.status, 'PAYMENT_PENDING');
    NEW."createdAt" := coalesce(NEW."createdAt", now());
    NEW."updatedAt" := coalesce(NEW."updatedAt", now());
    IF NEW.status = 'PAID' AND NEW."paidAt" IS NULL THEN
        NEW."paidAt" := now();
    END IF;
    IF TG_OP = 'UPDATE' THEN
        NEW."updatedAt" := now();
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION tillhook_payment_before_write() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    restaurant text;
BEGIN
    NEW.currency := lower(NEW.currency);
    -- A session's id says its mode, whenever it becomes known.
    IF NEW.facts IS NULL OR NEW.facts = '{}' THEN
        NEW.livemode := CASE
            WHEN NEW."providerPaymentId" LIKE 'cs\_live\_%' THEN true
            WHEN NEW."providerPaymentId" LIKE 'cs\_test\_%' THEN false
            ELSE NEW.livemode
        END;
    END IF;
    IF TG_OP = 'UPDATE' THEN
        NEW."updatedAt" := now();
        RETURN NEW;
    END IF;
    -- Some applications name every column, with NULL for what they leave out.
    NEW.status := coalesce(NEW.status, 'PENDING');
    NEW.provider := coalesce(NEW.provider, 'STRIPE');
    NEW.facts := coalesce(NEW.facts, '{}');
    NEW."amountRefunded" := coalesce(NEW."amountRefunded", 0);
    NEW."createdAt" := coalesce(NEW."createdAt", now());
    NEW."updatedAt" := coalesce(NEW."updatedAt", now());
    SELECT o."restaurantId" INTO restaurant FROM "Order" o WHERE o.id = NEW."orderId";
    NEW."restaurantId" := coalesce(NEW."restaurantId", restaurant);
    IF NEW."restaurantId" <> restaurant THEN
        RAISE EXCEPTION 'payment % names restaurant %, its order belongs to %', NEW.id, NEW."restaurantId", restaurant
            USING ERRCODE = 'foreign_key_violation';
    END IF;
    IF NEW.livemode IS NULL THEN
        SELECT c.livemode INTO NEW.livemode FROM "RestaurantPaymentConfig" c
        WHERE c."restaurantId" = NEW."restaurantId" AND c.provider = NEW.provider;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE FUNCTION tillhook_payment_link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO "PaymentObject" ("restaurantId", "objectId", "paymentId", "fromPayment")
    VALUES (NEW."restaurantId", NEW."providerPaymentId", NEW.id, TG_OP = 'INSERT')
    ON CONFLICT ("restaurantId", "objectId") DO NOTHING;
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER order_before_write BEFORE INSERT OR UPDATE ON "Order"
    FOR EACH ROW EXECUTE FUNCTION tillhook_order_before_write();
CREATE TRIGGER payment_before_write BEFORE INSERT OR UPDATE ON "Payment"
    FOR EACH ROW EXECUTE FUNCTION tillhook_payment_before_write();
CREATE TRIGGER payment_link_insert AFTER INSERT ON "Payment"
    FOR EACH ROW WHEN (NEW."providerPaymentId" IS NOT NULL)
    EXECUTE FUNCTION tillhook_payment_link();
CREATE TRIGGER payment_link_update AFTER UPDATE OF "providerPaymentId" ON "Payment"
    FOR EACH ROW WHEN (NEW."providerPaymentId" IS DISTINCT FROM OLD."providerPaymentId" AND NEW."providerPaymentId" IS NOT NULL)
    EXECUTE FUNCTION tillhook_payment_link();

-- +goose Down
DROP TABLE "OrderTransition";
DROP TABLE "PaymentObject";
DROP TABLE "Payment";
DROP TABLE "Order";
DROP FUNCTION tillhook_order_before_write();
DROP FUNCTION tillhook_payment_before_write();
DROP FUNCTION tillhook_payment_link();
