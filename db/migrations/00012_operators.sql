-- Who may use the panel, and what its lists are read by.
-- +goose Up
CREATE TABLE "Operator" (
    id             text PRIMARY KEY,
    email          text NOT NULL UNIQUE CHECK (email <> '' AND email = lower(email)),
    role           text NOT NULL CHECK (role IN ('viewer', 'operator')),
    "passwordHash" text NOT NULL, -- argon2id, with its parameters
    "disabledAt"   timestamptz,
    "createdAt"    timestamptz NOT NULL DEFAULT now(),
    "updatedAt"    timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER operator_audit AFTER INSERT OR UPDATE OR DELETE ON "Operator"
    FOR EACH ROW EXECUTE FUNCTION tillhook_audit();

-- Only the hash of a session's token is kept: who reads this table can't sign
-- in with it.
CREATE TABLE "OperatorSession" (
    "tokenHash"  bytea PRIMARY KEY,
    "operatorId" text NOT NULL REFERENCES "Operator" (id) ON DELETE CASCADE,
    "createdAt"  timestamptz NOT NULL DEFAULT now(),
    "lastSeenAt" timestamptz NOT NULL DEFAULT now(), -- to the minute
    "expiresAt"  timestamptz NOT NULL
);
CREATE INDEX "OperatorSession_operatorId_idx" ON "OperatorSession" ("operatorId");

-- Another password, another role or none: whoever writes it, the sessions end.
-- +goose StatementBegin
CREATE FUNCTION tillhook_end_sessions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM "OperatorSession" WHERE "operatorId" = NEW.id;
    RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER operator_end_sessions AFTER UPDATE OF "passwordHash", "disabledAt", role, email ON "Operator"
    FOR EACH ROW EXECUTE FUNCTION tillhook_end_sessions();

-- How often it was tried to sign in, by address and by account. Unlogged, since
-- to lose it costs a few more tries.
CREATE UNLOGGED TABLE "SignInTry" (
    key     text PRIMARY KEY,
    tries   integer NOT NULL,
    "since" timestamptz NOT NULL
);
CREATE INDEX "SignInTry_since_idx" ON "SignInTry" ("since");

-- The panel's lists of orders, newest first.
CREATE INDEX "Order_createdAt_idx" ON "Order" ("createdAt", id);
CREATE INDEX "Order_restaurant_idx" ON "Order" ("restaurantId", "createdAt", id);

-- +goose Down
DROP INDEX "Order_createdAt_idx";
DROP INDEX "Order_restaurant_idx";
DROP TABLE "SignInTry";
DROP TABLE "OperatorSession";
DROP TABLE "Operator";
DROP FUNCTION tillhook_end_sessions();
