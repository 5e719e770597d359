-- Renew the leases of the generations that a process runs, and tell which are to be cancelled.
--
-- KEYS[1]      sorted set: the generations that run, by the time at which their lease ends
-- KEYS[2]      sorted set: those to be cancelled, by the time at which that was asked
-- ARGV[1]      how long a lease lives, in ms
-- ARGV[2]      how long a wish to cancel lives, in ms
-- ARGV[3..]    the generations
-- reply        those of them that are to be cancelled

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for at = 3, #ARGV do
    redis.call('ZADD', KEYS[1], now + ARGV[1], ARGV[at])
    if redis.call('ZREM', KEYS[2], ARGV[at]) == 1 then found[#found + 1] = ARGV[at] end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[2])
return found
