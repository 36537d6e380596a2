-- Which of the ids $1 are of no event.
SELECT t.id FROM unnest($1::text[]) AS t (id)
WHERE NOT EXISTS (SELECT FROM "WebhookEvent" e WHERE e.id = t.id)
ORDER BY t.id
