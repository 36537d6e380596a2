INSERT INTO "Restaurant" (id, name, slug) VALUES ($1, $2, $3)
