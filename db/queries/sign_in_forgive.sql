-- A sign-in that succeeded is no try.
UPDATE "SignInTry" SET tries = CASE WHEN key = $2 THEN 0 ELSE greatest(tries - 1, 0) END WHERE key = $1 OR key = $2
