-- Counts a try for a key, before the password is looked at, so that tries at the
-- same time count as well. A count begins anew after $2 seconds; what is older
-- than two of these is forgotten, whoever comes.
WITH old AS (
    DELETE FROM "SignInTry" WHERE key IN (
        SELECT o.key FROM "SignInTry" o
        WHERE o.since < now() - make_interval(secs => 2 * $2::double precision) AND o.key <> $1
        ORDER BY o.since LIMIT 100 FOR UPDATE SKIP LOCKED))
INSERT INTO "SignInTry" AS t (key, tries, since) VALUES ($1, 1, now())
ON CONFLICT (key) DO UPDATE SET
    tries = CASE WHEN t.since < now() - make_interval(secs => $2::double precision) THEN 1 ELSE t.tries + 1 END,
    since = CASE WHEN t.since < now() - make_interval(secs => $2::double precision) THEN now() ELSE t.since END
RETURNING tries, ceil(extract(epoch FROM since + make_interval(secs => $2::double precision) - now()))::integer AS wait
