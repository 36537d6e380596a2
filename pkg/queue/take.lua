-- KEYS: a queue's pending, paused, active and lease; what this taker took last
-- ARGV: the time at which the lease ends; what a task's key begins with; how many to take;
--       the number of this taking; for how many seconds it may be repeated
-- Leaves each task as asynq's own script leaves one, and answers their ids and contents in turn.
-- Who repeats a taking, since the answer was lost, gets what he has taken, and no more.
local taken, ids = {}, {}
local function add(id)
	local content = redis.call("HGET", ARGV[2] .. id, "msg")
	if content then
		taken[#taken + 1] = id
		taken[#taken + 1] = content
	end
end
local number, last = string.match(redis.call("GET", KEYS[5]) or "", "^(%d+)\n(.*)$")
if number == ARGV[4] then
	for id in string.gmatch(last, "[^\n]+") do
		add(id)
	end
	return taken
end
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
	ids[#ids + 1] = id
	add(id)
end
if #ids > 0 then
	redis.call("SET", KEYS[5], ARGV[4] .. "\n" .. table.concat(ids, "\n"), "EX", ARGV[5])
end
return taken
