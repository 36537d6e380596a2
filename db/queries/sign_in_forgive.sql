-- A sign-in that succeeded is no try: forgets those under the keys $1, and takes
-- one back under the keys $2.
UPDATE "SignInTry" SET tries = CASE WHEN key = ANY($1::text[]) THEN 0 ELSE greatest(tries - 1, 0) END
WHERE key = ANY($1::text[] || $2::text[])
