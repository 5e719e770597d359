-- Small changes of keys of one slot, together.
--   keep, note, push: nothing of what is from before an erasure of the user (see app/erasure.py)
--   free: the key goes, if it still holds the value: a lease that lapsed may be another's by now
-- KEYS: the mark of the user's erasure, then one for each step.
-- ARGV, four a step: what is done, a value, a time to live in ms, the id of what it tells of
local RING = 12 -- values of a list that is pushed to
local mark = redis.call('GET', KEYS[1])
for i = 2, #KEYS do
    local key, at = KEYS[i], i * 4 - 7
    local what, value, life, id = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    local erased = mark and id:sub(1, #mark) <= mark
    if what == 'keep' and not erased then
        redis.call('SET', key, value, 'PX', life)
    elseif what == 'note' and not erased then
        redis.call('SADD', key, value)
        if redis.call('PTTL', key) < tonumber(life) then redis.call('PEXPIRE', key, life) end
    elseif what == 'push' and not erased then
        redis.call('LPUSH', key, value)
        redis.call('LTRIM', key, 0, RING - 1)
        redis.call('PEXPIRE', key, life)
    elseif what == 'free' and redis.call('GET', key) == value then
        redis.call('DEL', key)
    end
end
return 1
