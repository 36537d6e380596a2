UPDATE "Payment" p
SET status = r.status, "providerPaymentId" = NULLIF(r.provider_payment_id, ''), livemode = r.livemode, facts = r.facts::jsonb,
    "amountRefunded" = r.amount_refunded
FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::bigint[])
    AS r(id, status, provider_payment_id, livemode, facts, amount_refunded)
WHERE p.id = r.id
