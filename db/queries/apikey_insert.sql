INSERT INTO "ApiKey" (id, "restaurantId", name, hash, prefix) VALUES ($1, $2, $3, $4, $5)
