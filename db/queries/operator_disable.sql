UPDATE "Operator" SET "disabledAt" = now(), "updatedAt" = now() WHERE email = $1 AND "disabledAt" IS NULL
RETURNING id
