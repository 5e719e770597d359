-- Take an answer out of everything that could still give it, at once.
-- KEYS: the set of the keys that lead to it, the index of similar requests. ARGV: its id.
for _, key in ipairs(redis.call('SMEMBERS', KEYS[1])) do
    redis.call('DEL', key)
end
redis.call('DEL', KEYS[1])
for _, item in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
    if item:sub(1, #ARGV[1]) == ARGV[1] then redis.call('LREM', KEYS[2], 0, item) end
end
return 1
