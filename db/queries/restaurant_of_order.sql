SELECT "restaurantId" FROM "Order" WHERE id = $1
