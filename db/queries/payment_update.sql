UPDATE "Payment" p
SET status = r.status, "providerPaymentId" = NULLIF(r.provider_payment_id, ''), facts = r.facts::jsonb
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS r(id, status, provider_payment_id, facts)
WHERE p.id = r.id
