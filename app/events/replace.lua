-- Put a copy in the place of a stream, with the last entries, the stream's end, and its groups of
-- consumers with what they have not acknowledged.
-- KEYS: the stream, the copy, the lock. ARGV: up to where it is copied, how many may be missing, who
-- holds the lock.
-- Reply: 1: it is done; 0: more are missing; -1: the lock is another's
if redis.call('GET', KEYS[3]) ~= ARGV[3] then return -1 end
local found = redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+', 'COUNT', ARGV[2])
if #found == tonumber(ARGV[2]) then return 0 end
for _, entry in ipairs(found) do
    redis.call('XADD', KEYS[2], entry[1], unpack(entry[2]))
end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
-- A stream without entries holds no bytes of any.
if not first then return 1 end
redis.call('XTRIM', KEYS[2], 'MINID', first[1])

local function by_name(list)
    local named = {}
    for i = 1, #list, 2 do named[list[i]] = list[i + 1] end
    return named
end

for _, item in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local group = by_name(item)
    redis.call('XGROUP', 'CREATE', KEYS[2], group.name, group['last-delivered-id'])
    for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group.name)) do
        redis.call('XGROUP', 'CREATECONSUMER', KEYS[2], group.name, by_name(consumer).name)
    end
    local from = '-'
    repeat
        local pending = redis.call('XPENDING', KEYS[1], group.name, from, '+', 100)
        for _, one in ipairs(pending) do
            local id, consumer, idle, count = unpack(one)
            redis.call(
                'XCLAIM', KEYS[2], group.name, consumer, 0, id,
                'IDLE', idle, 'RETRYCOUNT', count, 'FORCE', 'JUSTID'
            )
            from = '(' .. id
        end
    until #pending < 100
end
redis.call('XSETID', KEYS[2], by_name(redis.call('XINFO', 'STREAM', KEYS[1]))['last-generated-id'])
redis.call('RENAME', KEYS[2], KEYS[1])
redis.call('PERSIST', KEYS[1])
return 1
