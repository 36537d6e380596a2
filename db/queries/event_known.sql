-- Which of the verified events, by Stripe's id and time, are stored already.
SELECT EXISTS (SELECT FROM "WebhookEvent" e
    WHERE e."dedupeKey" = k.id AND e."restaurantId" = k.restaurant_id AND e.provider = 'STRIPE'
        AND e."occurredAt" = to_timestamp(k.occurred_at))
FROM unnest($1::text[], $2::text[], $3::bigint[]) WITH ORDINALITY AS k(id, restaurant_id, occurred_at, n)
ORDER BY k.n
