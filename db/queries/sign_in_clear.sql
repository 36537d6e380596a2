-- Forgets the tries under $1, and under all keys that begin with it and a space.
DELETE FROM "SignInTry" WHERE key = $1 OR starts_with(key, $1 || ' ')
