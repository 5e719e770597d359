-- Copy entries of a stream behind a position into another one.
-- KEYS: the stream, the copy. ARGV: the position, how many at the most, how long the copy lives, in
-- ms: whoever makes it may die.
-- Reply: {how many, the last one's id}
local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
for _, entry in ipairs(found) do
    redis.call('XADD', KEYS[2], entry[1], unpack(entry[2]))
end
if #found == 0 then return { 0, ARGV[1] } end
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return { #found, found[#found][1] }
