-- The session that Stripe may be making for a payment just now comes too late: it
-- is of an attempt that is over, and is not repeated.
UPDATE "Checkout" SET attempt = attempt + 1, "requestedAt" = '-infinity' WHERE "paymentId" = $1 AND "sessionId" IS NULL
