-- What Stripe was asked for has led to nothing, and is not repeated.
UPDATE "Checkout" SET "requestedAt" = '-infinity' WHERE "paymentId" = $1 AND attempt = $2 AND "sessionId" IS NULL
