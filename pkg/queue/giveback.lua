-- KEYS: a queue's active, lease and pending; then the tasks' hashes
-- ARGV: the tasks' ids
-- What was taken last is put back first, so that the oldest is the next again.
for i = #ARGV, 1, -1 do
	if redis.call("ZREM", KEYS[2], ARGV[i]) > 0 then
		redis.call("LREM", KEYS[1], 0, ARGV[i])
		redis.call("RPUSH", KEYS[3], ARGV[i])
		redis.call("HSET", KEYS[3 + i], "state", "pending")
	end
end
