-- Small changes of keys of one slot, together.
--   free: the key goes, if it still holds the value: a lease that lapsed may be another's by now
for i = 1, #KEYS do
    local key, what, value, life = KEYS[i], ARGV[i * 3 - 2], ARGV[i * 3 - 1], ARGV[i * 3]
    if what == 'keep' then
        redis.call('SET', key, value, 'PX', life)
    elseif what == 'note' then
        redis.call('SADD', key, value)
        if redis.call('PTTL', key) < tonumber(life) then redis.call('PEXPIRE', key, life) end
    elseif redis.call('GET', key) == value then
        redis.call('DEL', key)
    end
end
return 1
