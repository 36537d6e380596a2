-- Answers no row if the address is taken.
INSERT INTO "Operator" (id, email, role, "passwordHash") VALUES ($1, $2, $3, $4)
ON CONFLICT (email) DO NOTHING
RETURNING id
