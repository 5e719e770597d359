-- An account of a budget: what is spent of it, and what is reserved. To stand before a script.
--
-- An account is a hash and a sorted set.
--   hash     ledger: what the ledger had of it when it was read last, and what is surely there by
--            now; recent: what was settled lately and may not be in the ledger; held: reserved;
--            built: when the ledger was read last (absent: never, so nothing is admitted); reading,
--            turn: who reads it now; warned, told: see `warn`. And an amount under each name of the
--   set      names by when they lapse: r<id> a reservation, s<id> what was settled
-- Spent is ledger + recent. What is settled is remembered by its id for a while, so that it is
-- settled once, and counted once with the ledger's rows, whichever of the two is heard of first.
-- Numbers are whole and below 2^53. Times are microseconds of Redis's clock.

local MOST_LAPSED = 200 -- taken out in one call; the next takes the next
local CLAIM = 10000000 -- us for which nobody else tells that a budget was crossed
local call = redis.call
local budgets = {}

function budgets.add(hash, field, amount)
    if amount ~= 0 then call('HINCRBY', hash, field, amount) end
end

-- The sums of an account, once everything that lapsed is out of them.
function budgets.open(hash, lapses, now)
    local names = call('ZRANGEBYSCORE', lapses, '-inf', now, 'LIMIT', 0, MOST_LAPSED)
    if #names > 0 then
        local amounts, held, recent = call('HMGET', hash, unpack(names)), 0, 0
        for i, name in ipairs(names) do
            local amount = tonumber(amounts[i] or nil) or 0
            if name:sub(1, 1) == 'r' then held = held + amount else recent = recent + amount end
        end
        call('HDEL', hash, unpack(names))
        call('ZREM', lapses, unpack(names))
        budgets.add(hash, 'held', -held)
        budgets.add(hash, 'recent', -recent)
        budgets.add(hash, 'ledger', recent)
    end
    local found = call('HMGET', hash, 'ledger', 'recent', 'held', 'built', 'warned', 'told')
    local function number(i) return tonumber(found[i] or nil) or 0 end
    local a = {
        hash = hash, lapses = lapses, spent = number(1) + number(2), held = number(3),
        built = number(4), warned = number(5), told = found[6] and true or false,
    }
    -- A full server may have thrown one of the two keys away. Without the set nothing lapses.
    if (a.held ~= 0 or number(2) ~= 0) and call('EXISTS', lapses) == 0 then
        call('DEL', hash)
        if a.told then call('HSET', hash, 'told', 1) end
        a.spent, a.held, a.built = 0, 0, 0
    end
    return a
end

function budgets.amount(a, name) return tonumber(call('HGET', a.hash, name) or nil) end

-- Have a reservation be so much, until it lapses.
function budgets.hold(a, id, amount, had, now, lease, expires_at)
    call('HSET', a.hash, 'r' .. id, amount)
    call('ZADD', a.lapses, now + lease, 'r' .. id)
    budgets.add(a.hash, 'held', amount - had)
    a.held = a.held + amount - had
    call('PEXPIREAT', a.hash, expires_at)
    call('PEXPIREAT', a.lapses, expires_at)
end

function budgets.drop(a, id)
    local had = budgets.amount(a, 'r' .. id)
    if had then
        call('HDEL', a.hash, 'r' .. id)
        call('ZREM', a.lapses, 'r' .. id)
        budgets.add(a.hash, 'held', -had)
        a.held = a.held - had
    end
end

-- 1 for the one who is to tell that so much is spent: once in a period, again where they died.
function budgets.warn(a, threshold, now)
    if a.told or a.built == 0 or a.spent < threshold or now < a.warned + CLAIM then return 0 end
    call('HSET', a.hash, 'warned', now)
    return 1
end
