-- Who changed a configuration.
-- +goose Up
-- Every change of a restaurant or its configuration, whoever makes it and
-- however: our command line says who it is for, plain SQL is recorded with the
-- database's user. No value is kept, only the names of what changed.
CREATE TABLE "AuditEntry" (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    actor          text NOT NULL,
    action         text NOT NULL,
    "restaurantId" text,
    target         text NOT NULL, -- the row's id
    detail         text NOT NULL, -- the columns, without their values
    "createdAt"    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX "AuditEntry_restaurant_idx" ON "AuditEntry" ("restaurantId", id);

-- +goose StatementBegin
CREATE FUNCTION tillhook_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was     jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    is_now  jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    columns text;
BEGIN
    -- Sealing changes how a secret is written, not which one it is; the
    -- fingerprint says when it is another.
    SELECT string_agg(key, ', ' ORDER BY key) INTO columns
    FROM (SELECT key FROM jsonb_object_keys(was || is_now) AS key
          WHERE NULLIF(was -> key, 'null') IS DISTINCT FROM NULLIF(is_now -> key, 'null')
            AND key NOT IN ('createdAt', 'updatedAt', 'webhookSecret', 'webhookSecretSetAt', 'previousWebhookSecretFingerprint')
            AND NOT (key = 'previousWebhookSecret' AND was ->> key LIKE 'whsec\_%' AND is_now ->> key LIKE 'v1:%')) AS changed;
    IF columns IS NULL THEN
        RETURN NULL;
    END IF;
    INSERT INTO "AuditEntry" (actor, action, "restaurantId", target, detail)
    VALUES (coalesce(NULLIF(current_setting('tillhook.actor', true), ''), 'sql: ' || session_user),
            coalesce(NULLIF(current_setting('tillhook.action', true), ''), lower(TG_OP) || ' ' || TG_TABLE_NAME),
            CASE TG_TABLE_NAME WHEN 'Restaurant' THEN (was || is_now) ->> 'id' ELSE (was || is_now) ->> 'restaurantId' END,
            (was || is_now) ->> 'id', replace(columns, 'webhookSecretFingerprint', 'webhookSecret'));
    RETURN NULL;
END $$;
-- +goose StatementEnd

CREATE TRIGGER restaurant_audit AFTER INSERT OR UPDATE OR DELETE ON "Restaurant"
    FOR EACH ROW EXECUTE FUNCTION tillhook_audit();
CREATE TRIGGER config_audit AFTER INSERT OR UPDATE OR DELETE ON "RestaurantPaymentConfig"
    FOR EACH ROW EXECUTE FUNCTION tillhook_audit();

-- +goose Down
DROP TRIGGER restaurant_audit ON "Restaurant";
DROP TRIGGER config_audit ON "RestaurantPaymentConfig";
DROP FUNCTION tillhook_audit();
DROP TABLE "AuditEntry";
