-- Read a partition of the log behind a position; one that is new gets its epoch here.
-- KEYS: the stream, its meta hash. ARGV: an epoch to begin if there is none, the position, how many.
-- Reply: {epoch, the last position that retention removed, the log's end, entries}
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if not epoch then
    epoch = ARGV[1]
    redis.call('HSET', KEYS[2], 'epoch', epoch)
end
local last = '0-0'
if redis.call('EXISTS', KEYS[1]) == 1 then
    local info = redis.call('XINFO', 'STREAM', KEYS[1])
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then last = info[i + 1] end
    end
end
local entries = {}
if tonumber(ARGV[3]) > 0 then
    entries = redis.call('XRANGE', KEYS[1], '(' .. ARGV[2], '+', 'COUNT', ARGV[3])
end
return { epoch, redis.call('HGET', KEYS[2], 'trimmed') or '0-0', last, entries }
