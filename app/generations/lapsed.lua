-- The generations whose lease has ended: their process died. Whoever asks is to end them, and has
-- one more lease of time for that.
--
-- KEYS[1]      sorted set: the generations that run, by the time at which their lease ends
-- ARGV[1]      how many at the most
-- ARGV[2]      how long a lease lives, in ms
-- reply        the generations

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, name in ipairs(found) do redis.call('ZADD', KEYS[1], now + ARGV[2], name) end
return found
