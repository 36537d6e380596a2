-- For what the triggers can't see, such as the same secret in another form.
INSERT INTO "AuditEntry" (actor, action, "restaurantId", target, detail) VALUES ($1, $2, NULLIF($3, ''), $4, $5)
