INSERT INTO "Restaurant" (id, name, slug) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, slug = excluded.slug, "updatedAt" = now()
