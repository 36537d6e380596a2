-- Notes what Stripe is about to be asked for; if there was a request before, it
-- has led to nothing, and the next is another one to Stripe.
INSERT INTO "Checkout" ("paymentId", request) VALUES ($1, $2::jsonb)
ON CONFLICT ("paymentId") DO UPDATE
SET request = excluded.request, "requestedAt" = now(), attempt = "Checkout".attempt + 1
WHERE "Checkout"."sessionId" IS NULL
RETURNING attempt
