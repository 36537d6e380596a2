-- A new password also lets a disabled operator in again.
UPDATE "Operator" SET "passwordHash" = $2, "disabledAt" = NULL, "updatedAt" = now() WHERE email = $1
RETURNING id
