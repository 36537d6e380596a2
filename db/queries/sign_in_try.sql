-- Counts a try for each key, before the password is looked at, so that tries at
-- the same time count as well. A count begins anew after $2 seconds.
WITH old AS (DELETE FROM "SignInTry" WHERE since < now() - make_interval(secs => 2 * $2::double precision))
INSERT INTO "SignInTry" AS t (key, tries, since)
SELECT k.key, 1, now() FROM unnest($1::text[]) AS k(key) ORDER BY k.key
ON CONFLICT (key) DO UPDATE SET
    tries = CASE WHEN t.since < now() - make_interval(secs => $2::double precision) THEN 1 ELSE t.tries + 1 END,
    since = CASE WHEN t.since < now() - make_interval(secs => $2::double precision) THEN now() ELSE t.since END
RETURNING key, tries, ceil(extract(epoch FROM since + make_interval(secs => $2::double precision) - now()))::integer AS wait
