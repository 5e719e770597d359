-- Cut what is older than the retention, or more than the log may hold, and remember where: the
-- stream itself does not (XTRIM leaves max-deleted-entry-id alone).
-- KEYS: the stream, its meta hash. ARGV: the oldest id to keep, the most entries to keep, the most
-- bytes that it may take. Entries are alike, so that a share of them has that share of the bytes.
local removed = redis.call('XTRIM', KEYS[1], 'MINID', ARGV[1])
removed = removed + redis.call('XTRIM', KEYS[1], 'MAXLEN', ARGV[2])
local bytes = redis.call('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', 100)
if bytes and bytes > tonumber(ARGV[3]) then
    local kept = math.floor(redis.call('XLEN', KEYS[1]) * ARGV[3] / bytes)
    removed = removed + redis.call('XTRIM', KEYS[1], 'MAXLEN', kept)
end
if removed > 0 then
    local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
    local trimmed
    if first then
        local ms, seq = first[1]:match('(%d+)-(%d+)')
        if seq ~= '0' then
            trimmed = ms .. '-' .. string.format('%.0f', seq - 1)
        else
            trimmed = string.format('%.0f', ms - 1) .. '-4294967295'
        end
    else
        local info = redis.call('XINFO', 'STREAM', KEYS[1])
        for i = 1, #info, 2 do
            if info[i] == 'last-generated-id' then trimmed = info[i + 1] end
        end
    end
    redis.call('HSET', KEYS[2], 'trimmed', trimmed)
end
return removed
