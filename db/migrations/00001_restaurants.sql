-- Restaurants and their payment configuration. Names and text ids are those
-- of the operators' existing SQL.
-- +goose Up
CREATE TABLE "Restaurant" (
    id          text PRIMARY KEY,
    name        text NOT NULL,
    slug        text NOT NULL UNIQUE,
    "createdAt" timestamptz NOT NULL DEFAULT now(),
    "updatedAt" timestamptz NOT NULL DEFAULT now(),
    CHECK (id <> '' AND slug <> '')
);

CREATE TABLE "RestaurantPaymentConfig" (
    id                               text PRIMARY KEY,
    "restaurantId"                   text NOT NULL REFERENCES "Restaurant" (id) ON DELETE CASCADE,
    provider                         text NOT NULL DEFAULT 'STRIPE',
    "isActive"                       boolean NOT NULL DEFAULT true,
    livemode                         boolean, -- NULL while nobody has said
    "secretKey"                      text,
    "webhookSecret"                  text,
    -- The first 16 hex digits of the plaintext's SHA-256. It tells whether two
    -- secrets are the same without telling either: a sealed value differs each
    -- time it is sealed, and only a new secret may push out the previous one.
    "webhookSecretFingerprint"       text,
    "webhookSecretSetAt"             timestamptz,
    "previousWebhookSecret"          text,
    "previousWebhookSecretExpiresAt" timestamptz,
    "previousWebhookSecretFingerprint" text,
    "stripeAccountId"                text,
    "createdAt"                      timestamptz NOT NULL DEFAULT now(),
    "updatedAt"                      timestamptz NOT NULL DEFAULT now(),
    UNIQUE ("restaurantId", provider)
);

-- When each secret last verified a delivery, to the minute. The events alone
-- can't tell: in a rotation both endpoints deliver every event, and only the
-- first delivery of one is stored.
CREATE TABLE "SecretUse" (
    "restaurantId" text NOT NULL REFERENCES "Restaurant" (id) ON DELETE CASCADE,
    fingerprint    text NOT NULL,
    "lastUsedAt"   timestamptz NOT NULL,
    PRIMARY KEY ("restaurantId", fingerprint)
);

-- +goose StatementBegin
CREATE FUNCTION tillhook_config_before_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW."webhookSecret" := NULLIF(btrim(NEW."webhookSecret", E' \t\r\n'), '');
    IF TG_OP = 'UPDATE' THEN
        NEW."updatedAt" := now();
        IF NEW."previousWebhookSecret" IS NULL THEN
            NEW."previousWebhookSecretFingerprint" := NULL;
        END IF;
        IF NEW."webhookSecret" IS NOT DISTINCT FROM OLD."webhookSecret" THEN
            RETURN NEW;
        END IF;
    END IF;

    IF NEW."webhookSecret" IS NULL THEN
        -- Emptied on purpose: nothing may verify any more.
        NEW."webhookSecretFingerprint" := NULL;
        NEW."webhookSecretSetAt" := NULL;
        NEW."previousWebhookSecret" := NULL;
        NEW."previousWebhookSecretExpiresAt" := NULL;
        NEW."previousWebhookSecretFingerprint" := NULL;
        RETURN NEW;
    END IF;
    IF NEW."webhookSecret" NOT LIKE 'v1:%' THEN
        NEW."webhookSecretFingerprint" := left(encode(sha256(convert_to(NEW."webhookSecret", 'UTF8')), 'hex'), 16);
    END IF;

    IF TG_OP = 'INSERT' THEN
        NEW."webhookSecretSetAt" := coalesce(NEW."webhookSecretSetAt", now());
        RETURN NEW;
    END IF;
    IF NEW."webhookSecretFingerprint" IS NOT DISTINCT FROM OLD."webhookSecretFingerprint" THEN
        -- The same secret in another form: no rotation. The plaintext of a
        -- sealed one counts, for the key that sealed it may be lost.
        RETURN NEW;
    END IF;
    NEW."webhookSecretSetAt" := now();
    -- A statement that also names the previous secret's columns has its way.
    -- A secret that has verified nothing was a slip of the pen: what it
    -- replaced is the one that Stripe still signs with.
    IF OLD."webhookSecret" IS NOT NULL
        AND NEW."previousWebhookSecret" IS NOT DISTINCT FROM OLD."previousWebhookSecret"
        AND (NEW."previousWebhookSecretExpiresAt" IS DISTINCT FROM OLD."previousWebhookSecretExpiresAt"
            OR OLD."previousWebhookSecret" IS NULL
            OR coalesce(OLD."previousWebhookSecretExpiresAt" <= now(), true)
            OR EXISTS (SELECT FROM "SecretUse" u
                       WHERE u."restaurantId" = OLD."restaurantId" AND u.fingerprint = OLD."webhookSecretFingerprint")
            OR EXISTS (SELECT FROM "WebhookEvent" e
                       WHERE e."restaurantId" = OLD."restaurantId" AND e."createdAt" >= OLD."webhookSecretSetAt"
                         AND e."signedWith" = 'current'))
    THEN
        NEW."previousWebhookSecret" := OLD."webhookSecret";
        NEW."previousWebhookSecretFingerprint" := OLD."webhookSecretFingerprint";
        IF NEW."previousWebhookSecretExpiresAt" IS NOT DISTINCT FROM OLD."previousWebhookSecretExpiresAt" THEN
            NEW."previousWebhookSecretExpiresAt" := now() + interval '72 hours';
        END IF;
    END IF;
    RETURN NEW;
END $$;
-- +goose StatementEnd

-- Every process that caches configurations listens and reads the named
-- restaurant again.
-- +goose StatementBegin
CREATE FUNCTION tillhook_config_notify() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    changed jsonb := to_jsonb(coalesce(NEW, OLD));
BEGIN
    PERFORM pg_notify('tillhook_config', coalesce(changed ->> 'restaurantId', changed ->> 'id'));
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER config_before_write BEFORE INSERT OR UPDATE ON "RestaurantPaymentConfig"
    FOR EACH ROW EXECUTE FUNCTION tillhook_config_before_write();
CREATE TRIGGER config_notify AFTER INSERT OR UPDATE OR DELETE ON "RestaurantPaymentConfig"
    FOR EACH ROW EXECUTE FUNCTION tillhook_config_notify();
CREATE TRIGGER restaurant_notify AFTER INSERT OR UPDATE OR DELETE ON "Restaurant"
    FOR EACH ROW EXECUTE FUNCTION tillhook_config_notify();

-- +goose Down
DROP TABLE "RestaurantPaymentConfig";
DROP TABLE "SecretUse";
DROP TABLE "Restaurant";
DROP FUNCTION tillhook_config_before_write();
DROP FUNCTION tillhook_config_notify();
