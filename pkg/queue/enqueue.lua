-- KEYS: a queue's pending; then the tasks' hashes
-- ARGV: the time in nanoseconds; then each task's id and content
-- Leaves each task as asynq's own script leaves one, passes over those that are there
-- already, and answers how many it has made.
local ids = {}
for i = 2, #KEYS do
	if redis.call("EXISTS", KEYS[i]) == 0 then
		redis.call("HSET", KEYS[i], "msg", ARGV[2 * i - 1], "state", "pending", "pending_since", ARGV[1])
		ids[#ids + 1] = ARGV[2 * i - 2]
	end
end
if #ids > 0 then
	redis.call("LPUSH", KEYS[1], unpack(ids))
end
return #ids
