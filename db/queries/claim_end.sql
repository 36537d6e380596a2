-- Forgets the claims that are over. SKIP LOCKED: to wait for a worker that is
-- about to renew some of them could end in a deadlock.
DELETE FROM "RecoveryClaim"
WHERE "eventId" IN (SELECT c."eventId" FROM "RecoveryClaim" c WHERE c.until < now() FOR UPDATE SKIP LOCKED)
