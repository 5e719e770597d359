-- Write down events of a generation, unless it has ended.
--
-- KEYS[1]      its stream; an entry's id is the event's position, its field `e` the event's JSON, and
--              the last one has a field `end` too
-- KEYS[2]      the mark of an erasure of the user (see app/erasure.py): one that began before it has
--              ended with that, and nothing is written down
-- ARGV[1]      how long the stream lives from now, in ms
-- ARGV[2]      1: the last of these events ends the generation
-- ARGV[3..]    position, event, position, event, …
-- reply        'ok'; 'lost' when events before these are not there; or the event that ended it

local mark = redis.call('GET', KEYS[2])
if mark and KEYS[1]:match('[^:]*$'):sub(1, #mark) <= mark then
    -- Behind whatever its process or a reader may have.
    return { '9007199254740991-0', '{"type":"cancelled"}' }
end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local position = 0
if last then
    position = tonumber(string.match(last[1], '^%d+'))
    if last[2][3] == 'end' then
        -- Its own end, said again, is no other end.
        if ARGV[2] == '1' and ARGV[#ARGV] == last[2][2] then return 'ok' end
        return { last[1], last[2][2] }
    end
end
if #ARGV >= 3 and tonumber(ARGV[3]) > position + 1 then return 'lost' end
for at = 3, #ARGV, 2 do
    if tonumber(ARGV[at]) > position then
        if ARGV[2] == '1' and at + 1 == #ARGV then
            redis.call('XADD', KEYS[1], ARGV[at] .. '-0', 'e', ARGV[at + 1], 'end', 1)
        else
            redis.call('XADD', KEYS[1], ARGV[at] .. '-0', 'e', ARGV[at + 1])
        end
    end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 'ok'
