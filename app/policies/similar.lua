-- Put an entry at the head of an index that keeps so many, for so long.
-- KEYS: the index. ARGV: the entry, how many are kept, the life in ms.
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('LTRIM', KEYS[1], 0, ARGV[2] - 1)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
