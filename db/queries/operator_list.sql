SELECT o.id, o.email, o.role, o."disabledAt", o."createdAt",
    (SELECT max(s."lastSeenAt") FROM "OperatorSession" s WHERE s."operatorId" = o.id) AS "lastSeenAt"
FROM "Operator" o
ORDER BY o.email
