-- The storefront: keys that may create orders, what was ordered, the Checkout
-- Sessions that were asked for, and a feed of orders that have changed.
-- +goose Up
CREATE TABLE "ApiKey" (
    id             text PRIMARY KEY,
    "restaurantId" text NOT NULL REFERENCES "Restaurant" (id) ON DELETE CASCADE,
    name           text NOT NULL,
    hash           bytea NOT NULL UNIQUE, -- SHA-256; the key itself is nowhere
    prefix         text NOT NULL,         -- how the key begins, for people to know it by
    "createdAt"    timestamptz NOT NULL DEFAULT now(),
    "lastUsedAt"   timestamptz,           -- to the minute
    "revokedAt"    timestamptz
);
CREATE INDEX "ApiKey_restaurantId_idx" ON "ApiKey" ("restaurantId");
-- Not of its use, of which there is a lot.
CREATE TRIGGER api_key_audit AFTER INSERT OR DELETE OR UPDATE OF name, hash, "restaurantId", "revokedAt" ON "ApiKey"
    FOR EACH ROW EXECUTE FUNCTION tillhook_audit();

-- What a storefront has asked for when it made an order. One idempotency key of
-- a restaurant makes one order, for ever.
CREATE TABLE "OrderRequest" (
    "orderId"        text PRIMARY KEY REFERENCES "Order" (id) ON DELETE CASCADE,
    "restaurantId"   text NOT NULL REFERENCES "Restaurant" (id),
    "idempotencyKey" text,
    "requestHash"    bytea NOT NULL,
    lines            jsonb, -- NULL when only the amount was said
    UNIQUE ("restaurantId", "idempotencyKey")
);

-- The Checkout Session of a payment, and before there is one, what Stripe is
-- asked for: whoever repeats it after a crash must repeat it word for word.
CREATE TABLE "Checkout" (
    "paymentId"   text PRIMARY KEY REFERENCES "Payment" (id) ON DELETE CASCADE,
    attempt       integer NOT NULL DEFAULT 1, -- part of the idempotency key at Stripe
    request       jsonb NOT NULL,
    "requestedAt" timestamptz NOT NULL DEFAULT now(),
    "sessionId"   text,
    "createdAt"   timestamptz NOT NULL DEFAULT now()
);

-- Tells whoever waits for an order that its status is another. One notification
-- names as many orders as fit; an id too long for that is found by looking now
-- and then, as is everything that a listener has missed.
-- +goose StatementBegin
CREATE FUNCTION tillhook_order_feed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('tillhook_order', '[' || string_agg(c.id, ',') || ']')
    FROM (SELECT j.id, sum(octet_length(j.id) + 1) OVER (ORDER BY j.id) / 3900 AS part
          FROM (SELECT to_json(n.id)::text AS id
                -- Not a join: the worker's batches allow none that is not by an index.
                FROM (SELECT id, status FROM is_now EXCEPT SELECT id, status FROM was) n) j
          WHERE octet_length(j.id) < 3900) c
    GROUP BY c.part;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER order_feed AFTER UPDATE ON "Order"
    REFERENCING OLD TABLE AS was NEW TABLE AS is_now FOR EACH STATEMENT EXECUTE FUNCTION tillhook_order_feed();

-- +goose Down
DROP TRIGGER order_feed ON "Order";
DROP FUNCTION tillhook_order_feed();
DROP TABLE "Checkout";
DROP TABLE "OrderRequest";
DROP TABLE "ApiKey";
