-- Ask for a generation to be cancelled.
--
-- KEYS[1]      sorted set: those to be cancelled, by the time at which that was asked
-- ARGV[1]      the generation

local time = redis.call('TIME')
return redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
