-- Leave the mark of an erasure beside a partition of the log: what is from before is published no
-- more.
-- KEYS: the marks of erasures. ARGV: the owner, the mark, something that no erasure had before, for
-- how long marks live, in ms, and the oldest mark that is still of use.
local found = redis.call('HGETALL', KEYS[1])
for i = 1, #found, 2 do
    if found[i] ~= 'last' and found[i + 1] < ARGV[5] then redis.call('HDEL', KEYS[1], found[i]) end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], 'last', ARGV[3])
return redis.call('PEXPIRE', KEYS[1], ARGV[4])
