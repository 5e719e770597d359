-- Read a partition of the log behind a position; one that is new gets its epoch here.
-- KEYS: the stream, its meta hash.
-- ARGV: an epoch to begin if there is none, the position, how many entries, and where one owner's
-- are wanted, the owner and among how many they are looked for. An entry that does not say whose it
-- is may be anybody's.
-- Reply: {epoch, the last position that retention removed, the log's end, entries, how far it was
-- looked}
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
local function may_be(fields, owner)
    for i = 1, #fields, 2 do
        if fields[i] == 'owner' then return fields[i + 1] == owner end
    end
    return true
end
local entries, reached, most = {}, ARGV[2], tonumber(ARGV[3])
if most > 0 then
    local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[2], '+', 'COUNT', ARGV[5] or most)
    for _, entry in ipairs(found) do
        if #entries == most then break end
        reached = entry[1]
        if not ARGV[4] or may_be(entry[2], ARGV[4]) then entries[#entries + 1] = entry end
    end
end
return { epoch, redis.call('HGET', KEYS[2], 'trimmed') or '0-0', last, entries, reached }
