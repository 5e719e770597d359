-- Put down what came of a request that others may wait for.
-- KEYS: any number. ARGV: three a key: keep (with a value and its life in ms) or free.
for i = 1, #KEYS do
    local what, value, life = ARGV[i * 3 - 2], ARGV[i * 3 - 1], ARGV[i * 3]
    if what == 'keep' then
        redis.call('SET', KEYS[i], value, 'PX', life)
    else
        redis.call('DEL', KEYS[i])
    end
end
return 1
