UPDATE "ApiKey" SET "revokedAt" = now() WHERE id = $1 AND "revokedAt" IS NULL
