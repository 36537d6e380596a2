-- Whether a secret has verified anything is told by its fingerprint alone. That an
-- event was signed with the current secret is what a receiver says who may not have
-- read yet that there is another one: the secret before it is meant then. And what a
-- secret has verified before it was stored once more says nothing of today.
-- +goose Up
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tillhook_config_before_write() RETURNS trigger LANGUAGE plpgsql AS $$
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
                       WHERE u."restaurantId" = OLD."restaurantId" AND u.fingerprint = OLD."webhookSecretFingerprint"
                         AND u."lastUsedAt" >= OLD."webhookSecretSetAt"))
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

-- +goose Down
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION tillhook_config_before_write() RETURNS trigger LANGUAGE plpgsql AS $$
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
