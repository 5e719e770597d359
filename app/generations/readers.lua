-- Which processes read a generation: one of them comes, stays or leaves.
--
-- KEYS[1]      sorted set: the processes, by the time until which each is taken to read
-- ARGV[1]      the process
-- ARGV[2]      for how long it reads from now, in ms; 0: it has left
-- reply        how many others read

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREM', KEYS[1], ARGV[1])
local others = redis.call('ZCARD', KEYS[1])
if ARGV[2] ~= '0' then
    redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
    redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return others
