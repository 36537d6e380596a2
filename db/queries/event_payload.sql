SELECT e.payload FROM "WebhookEvent" e WHERE e.id = $1 AND e."occurredAt" = $2::timestamptz
