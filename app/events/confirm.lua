-- Which entries of a partition of the log are still there.
-- KEYS: the stream, its meta hash. ARGV: entries' ids.
-- Reply: {epoch or nothing, the last position that retention removed, 1 or 0 for each id}
local epoch, trimmed = unpack(redis.call('HMGET', KEYS[2], 'epoch', 'trimmed'))
local reply = { epoch, trimmed or '0-0' }
for i = 1, #ARGV do
    reply[i + 2] = #redis.call('XRANGE', KEYS[1], ARGV[i], ARGV[i])
end
return reply
