-- Lets each claim end in so many seconds from now; none and less is at once.
-- The ids are named twice for the planner's sake, see event_lock.
UPDATE "RecoveryClaim" c SET until = now() + make_interval(secs => m.seconds)
FROM (SELECT u.id, u.seconds FROM unnest($1::text[], $2::double precision[]) AS u(id, seconds) ORDER BY u.id) AS m
WHERE c."eventId" = m.id AND c."eventId" = ANY($1::text[])
