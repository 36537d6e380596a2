-- KEYS: a queue's active and lease, how many of its tasks were done with that day, and ever; then the tasks' hashes
-- ARGV: when the day's number is forgotten, in seconds; then the tasks' ids
-- Leaves each task as asynq's own script leaves one, and answers for each in turn whether it was there.
local found, done = {}, 0
for i = 2, #ARGV do
	local id = ARGV[i]
	-- What was taken first is the last in the list, and mostly the first to end.
	if redis.call("LREM", KEYS[1], -1, id) > 0 and redis.call("ZREM", KEYS[2], id) > 0 and redis.call("DEL", KEYS[i + 3]) > 0 then
		found[i - 1], done = 1, done + 1
	else
		found[i - 1] = 0
	end
end
if done > 0 then
	if redis.call("INCRBY", KEYS[3], done) == done then
		redis.call("EXPIREAT", KEYS[3], ARGV[1])
	end
	if type(redis.pcall("INCRBY", KEYS[4], done)) == "table" then -- it can't grow any more
		redis.call("SET", KEYS[4], done)
	end
end
return found
