-- KEYS: pending, active, lease, scheduled, retry, archived, completed; then the tasks' hashes
-- ARGV: the time before which a lease is long over; the longest list to search; 1 to renew; then the tasks' ids
local pending, active, lease = KEYS[1], KEYS[2], KEYS[3]
local sets = {scheduled = KEYS[4], retry = KEYS[5], archived = KEYS[6], completed = KEYS[7]}
local LIVE, NONE, DEAD, GHOST = 0, -1, -2, -3

local length, listed = redis.call("LLEN", pending), nil
if length <= tonumber(ARGV[2]) then
	listed = {}
	for _, id in ipairs(redis.call("LRANGE", pending, 0, -1)) do
		listed[id] = true
	end
end

local function verdict(id, hash)
	local parts = redis.call("HMGET", hash, "state", "msg")
	local state, msg = parts[1], parts[2]
	if not state and not msg then
		return NONE
	end
	if not msg then
		return GHOST -- taken from a list that named it without a hash
	end
	if state == "pending" then
		return (not listed or listed[id]) and LIVE or GHOST
	end
	if state == "active" then
		local ends = redis.call("ZSCORE", lease, id)
		return (ends and tonumber(ends) > tonumber(ARGV[1])) and LIVE or GHOST
	end
	local at = sets[state] and redis.call("ZSCORE", sets[state], id)
	if not at then
		return GHOST
	end
	if state == "archived" or state == "completed" then
		return DEAD
	end
	return math.max(1, math.floor(tonumber(at)))
end

local answer = {length}
for i = 4, #ARGV do
	local id, hash = ARGV[i], KEYS[i + 4]
	local found = verdict(id, hash)
	if ARGV[3] == "1" and found >= LIVE and redis.call("HGET", hash, "state") ~= "active" then
		found = DEAD
		redis.call("LREM", pending, 0, id)
	end
	if found < LIVE then
		if listed and listed[id] then
			redis.call("LREM", pending, 0, id)
		end
		redis.call("LREM", active, 0, id)
		redis.call("ZREM", lease, id)
		for _, set in pairs(sets) do
			redis.call("ZREM", set, id)
		end
		redis.call("DEL", hash)
	end
	answer[#answer + 1] = found
end
return answer
