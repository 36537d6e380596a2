UPDATE "Payment" p
SET status = r.status, "providerPaymentId" = NULLIF(r.provider_payment_id, ''), livemode = r.livemode, facts = r.facts::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::text[]) AS r(id, status, provider_payment_id, livemode, facts)
WHERE p.id = r.id
