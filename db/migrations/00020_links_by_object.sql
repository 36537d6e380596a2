-- Links are looked for by their object, with the restaurant and without: a key that
-- begins with the object does for both.
-- +goose NO TRANSACTION
-- +goose Up
DROP INDEX IF EXISTS "PaymentObject_by_object"; -- what an interrupted run has left is not valid
CREATE UNIQUE INDEX CONCURRENTLY "PaymentObject_by_object" ON "PaymentObject" ("objectId", "restaurantId");
ALTER TABLE "PaymentObject" DROP CONSTRAINT "PaymentObject_pkey",
    ADD CONSTRAINT "PaymentObject_pkey" PRIMARY KEY USING INDEX "PaymentObject_by_object";
DROP INDEX IF EXISTS "PaymentObject_objectId_idx";

-- +goose Down
DROP INDEX IF EXISTS "PaymentObject_by_restaurant";
CREATE UNIQUE INDEX CONCURRENTLY "PaymentObject_by_restaurant" ON "PaymentObject" ("restaurantId", "objectId");
ALTER TABLE "PaymentObject" DROP CONSTRAINT "PaymentObject_pkey",
    ADD CONSTRAINT "PaymentObject_pkey" PRIMARY KEY USING INDEX "PaymentObject_by_restaurant";
DROP INDEX IF EXISTS "PaymentObject_objectId_idx";
CREATE INDEX CONCURRENTLY "PaymentObject_objectId_idx" ON "PaymentObject" ("objectId");
