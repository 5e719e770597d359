-- Take back what admission_call.lua took at a time of its own, because another part of the same decision
-- refused, or because less was used than reserved. What is not found has left, or lapses by itself.
--
-- KEYS      one a limit
-- ARGV[1]   the time that admission_call.lua answered with
-- ARGV[2..] two a limit: its window in microseconds (negative: stepped), how much to give back

local at = tonumber(ARGV[1])
for i = 1, #KEYS do
    local window, cost = tonumber(ARGV[i * 2]), tonumber(ARGV[i * 2 + 1])
    if window > 0 then
        redis.call('LREM', KEYS[i], -cost, ARGV[1])
    else
        local slot = math.floor(at / math.ceil(-window / 10))
        -- A slot that has left the window meanwhile is gone; giving back must not revive it.
        if redis.call('HEXISTS', KEYS[i], slot) == 1 then
            redis.call('HINCRBY', KEYS[i], slot, -cost)
        end
    end
end
return 1
