-- Who may sign in under an address.
SELECT id, email, role, "passwordHash" FROM "Operator" WHERE email = $1 AND "disabledAt" IS NULL
