-- One change of an account, or a look at it; behind budgets.lua.
--
-- KEYS     its hash, its set; of `begin` also the mark of the server
-- ARGV[1]  what is done; ARGV[2] when Redis may forget the account (Unix ms), then
--   look
--   settle   threshold, for how long it is remembered (us), id, amount
--   release  id               of it nothing is reserved any more
--   doubt    id               the same, and it is not known whether it was settled: the ledger must tell
--   renew    lease (us), then id, amount, … at most 100
--   begin    whether also where it is built, for how long a server must have been there (us)
--   note     then id, amount, for how long it is remembered (us), … of the ledger's rows, some
--   finish   turn, total      all rows were noted, and this is their sum with those before
--   told
-- Reply: {spent, held, us since the ledger was read or -1, whether to tell that the budget was
-- crossed, state, a turn or a wait (us), now}

local time = call('TIME')
local now = time[1] * 1000000 + time[2]
local what, expires_at = ARGV[1], ARGV[2]
local READING = 3000000 -- us in which who reads the ledger must be done, or another begins

local a = budgets.open(KEYS[1], KEYS[2], now)
local warn, state, turn = 0, '', 0

local function remember(id, amount, keep)
    call('HSET', a.hash, 's' .. id, amount)
    call('ZADD', a.lapses, now + keep, 's' .. id)
    call('PEXPIREAT', a.hash, expires_at)
    call('PEXPIREAT', a.lapses, expires_at)
end

if what == 'settle' then
    local id, amount = ARGV[5], tonumber(ARGV[6])
    budgets.drop(a, id)
    if not budgets.amount(a, 's' .. id) then
        remember(id, amount, tonumber(ARGV[4]))
        budgets.add(a.hash, 'recent', amount)
        a.spent = a.spent + amount
    end
    warn = budgets.warn(a, tonumber(ARGV[3]), now)
elseif what == 'release' then
    budgets.drop(a, ARGV[3])
elseif what == 'doubt' then
    budgets.drop(a, ARGV[3])
    call('HDEL', a.hash, 'built')
elseif what == 'renew' then
    for i = 4, #ARGV, 2 do
        local id, amount = ARGV[i], tonumber(ARGV[i + 1])
        if not budgets.amount(a, 's' .. id) then
            budgets.hold(a, id, amount, budgets.amount(a, 'r' .. id) or 0, now, ARGV[3], expires_at)
        end
    end
elseif what == 'begin' then
    -- A server that was emptied a moment ago may not have heard of all that is reserved.
    call('SET', KEYS[3], string.format('%.0f', now), 'NX', 'PX', 3456000000)
    local since = now - tonumber(call('GET', KEYS[3]))
    local reading = tonumber(call('HGET', a.hash, 'reading') or 0)
    if a.built > 0 and ARGV[3] == '0' then
        state = 'built'
    elseif since >= 0 and since < tonumber(ARGV[4]) then
        state, turn = 'wait', tonumber(ARGV[4]) - since
    elseif now < reading + READING and now >= reading then
        state, turn = 'wait', 20000
    else
        state, turn = 'go', call('HINCRBY', a.hash, 'turn', 1)
        call('HSET', a.hash, 'reading', now)
        call('PEXPIREAT', a.hash, expires_at)
    end
elseif what == 'note' then
    for i = 3, #ARGV, 3 do
        local id, amount, keep = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
        local known = budgets.amount(a, 's' .. id)
        budgets.drop(a, id)
        if known then
            call('HSET', a.hash, 's' .. id, 0)
            budgets.add(a.hash, 'recent', -known)
            budgets.add(a.hash, 'ledger', known)
        elseif keep > 0 then
            remember(id, 0, keep)
            budgets.add(a.hash, 'ledger', amount)
        end
    end
elseif what == 'finish' then
    if call('HGET', a.hash, 'turn') == ARGV[3] then
        call('HSET', a.hash, 'ledger', ARGV[4], 'built', now)
        call('HDEL', a.hash, 'reading')
        state = 'built'
        call('PEXPIREAT', a.hash, expires_at)
        a = budgets.open(KEYS[1], KEYS[2], now)
    end
elseif what == 'told' then
    call('HSET', a.hash, 'told', 1)
end
return { a.spent, a.held, a.built > 0 and now - a.built or -1, warn, state, turn, now }
