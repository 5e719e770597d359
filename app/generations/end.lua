-- End a generation whose process died, where it has begun and not ended.
--
-- KEYS[1]      its stream
-- ARGV[1]      how long it lives from now, in ms
-- ARGV[2]      how far behind the last position the end stands
-- ARGV[3..]    the events that are still to be told, of which the last one ends it
-- reply        1 when it was ended by this

local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
if not last or last[2][3] == 'end' then return 0 end
local position = tonumber(string.match(last[1], '^%d+')) + tonumber(ARGV[2])
for at = 3, #ARGV - 1 do
    redis.call('XADD', KEYS[1], string.format('%d-0', position), 'e', ARGV[at])
    position = position + 1
end
redis.call('XADD', KEYS[1], string.format('%d-0', position), 'e', ARGV[#ARGV], 'end', 1)
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
