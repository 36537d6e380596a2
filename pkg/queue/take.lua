-- KEYS: a queue's pending, paused, active and lease
-- ARGV: the time at which the lease ends; what a task's key begins with; how many to take
-- Leaves each task as asynq's own script leaves one, and answers their ids and contents in turn.
local taken = {}
if redis.call("EXISTS", KEYS[2]) == 1 then
	return taken
end
for _ = 1, tonumber(ARGV[3]) do
	local id = redis.call("RPOPLPUSH", KEYS[1], KEYS[3])
	if not id then
		break
	end
	local key = ARGV[2] .. id
	redis.call("HSET", key, "state", "active")
	redis.call("HDEL", key, "pending_since")
	redis.call("ZADD", KEYS[4], ARGV[1], id)
	local content = redis.call("HGET", key, "msg")
	if content then
		taken[#taken + 1] = id
		taken[#taken + 1] = content
	end
end
return taken
