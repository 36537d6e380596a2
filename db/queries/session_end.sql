DELETE FROM "OperatorSession" WHERE "tokenHash" = $1
