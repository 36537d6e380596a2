-- Retention: events go a week at a time, when all of it is finished.
-- +goose Up
-- The partitions of "WebhookEvent" with their bounds, NULL for the default one.
-- +goose StatementBegin
CREATE FUNCTION tillhook_partitions() RETURNS TABLE (part regclass, name text, starts timestamptz, ends timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT c.oid::regclass, c.relname::text, b.bounds[1]::timestamptz, b.bounds[2]::timestamptz
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), $re$FROM \('([^']*)'\) TO \('([^']*)'\)$re$)
        AS b(bounds) ON true
    WHERE i.inhparent = '"WebhookEvent"'::regclass
$$;
-- +goose StatementEnd

-- Drops one week that ends before a time, with an audit line, and answers '';
-- or answers why it stays. It is one statement, so that no client that hangs
-- holds the table, and it waits for a lock for a moment only: while it waits,
-- every writer waits behind it. Files go after the locks do.
--
-- DETACH ... CONCURRENTLY would wait for nobody, but is not to be had beside a
-- default partition.
-- +goose StatementBegin
CREATE FUNCTION tillhook_drop_partition(partition_name text, before timestamptz, actor text, action text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    week       record;
    unfinished boolean;
BEGIN
    PERFORM set_config('lock_timeout', '200ms', true);
    SELECT p.*, c.reltuples INTO week FROM tillhook_partitions() p JOIN pg_class c ON c.oid = p.part
    WHERE p.name = partition_name AND p.ends IS NOT NULL;
    IF week IS NULL THEN
        RETURN 'there is no such week';
    END IF;
    -- Whatever the caller believes: Stripe redelivers by hand for up to 30 days,
    -- and a delivery whose first row is gone would be a new event.
    IF week.ends > least(before, now() - interval '35 days') THEN
        RETURN 'it is too young';
    END IF;
    LOCK TABLE ONLY "WebhookEvent" IN ACCESS EXCLUSIVE MODE;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', week.part);
    -- Only now nobody can replay one of its events.
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE status = ''PROCESSING'')', week.part) INTO unfinished;
    IF unfinished THEN
        RETURN 'it holds unfinished events';
    END IF;
    INSERT INTO "AuditEntry" (actor, action, target, detail)
    VALUES (actor, action, partition_name, format('%s to %s, %s',
        to_char(week.starts AT TIME ZONE 'UTC', 'YYYY-MM-DD'), to_char(week.ends AT TIME ZONE 'UTC', 'YYYY-MM-DD'),
        CASE WHEN week.reltuples < 0 THEN 'rows not counted' ELSE format('about %s rows', week.reltuples) END));
    EXECUTE format('DROP TABLE %s', week.part);
    RETURN '';
END $$;
-- +goose StatementEnd

-- +goose Down
DROP FUNCTION tillhook_drop_partition(text, timestamptz, text, text);
DROP FUNCTION tillhook_partitions();
