-- Put an entry at the head of an index that keeps so many, for so long; one of an answer that is from
-- before an erasure of the user is not put there.
-- KEYS: the index, the mark of the erasure. ARGV: the entry, how many are kept, the life in ms.
local mark = redis.call('GET', KEYS[2])
if mark and ARGV[1]:sub(1, #mark) <= mark then return 0 end
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, ARGV[2] - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
