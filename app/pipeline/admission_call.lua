-- What one request may take, decided at once and all or nothing.
--
-- KEYS         one a limit; behind them what ARGV[1] and ARGV[2] announce
-- ARGV[1]      1: the revocation mark of the caller's token follows
-- ARGV[2]      what is asked once, a sum of 1: the cached answer, 2: the lease of whoever is
--              making it, 4: the idempotency key, 8: a ring of marks of what the user got lately;
--              their keys follow in this order. Only with one of the first three come:
-- ARGV[3..6]   who asks, how long a lease lives in ms, how old a cached answer may be in ms,
--              and the request's fingerprint
-- ARGV[..]     four a limit: what it admits in a window, the window in microseconds (negative: a
--              stepped limit), what is taken now (0: only look), and 1 if only when a model is
--              called
-- with budgets.lua before it, what is reserved of budgets comes last:
-- KEYS         two a budget: its account
-- ARGV         four a budget: its limit, what is spent when callers are warned, what is to be
--              reserved in all, when Redis may forget the account (Unix ms); then for whom, for how
--              long (us), and how many budgets there are
-- reply        {revoked, refused, now, wait, mode, payload, count, reset, count, reset, …}
--              refused: which limit refused (1..), 0 for none; wait: microseconds until a lone
--              caller gets in; mode: lead (go and make it), hit, follow, replay, running or
--              conflict; payload: the cached value, what the idempotency key holds, or whoever
--              leads what the ring holds; count: in the window now; reset: when a full limit has room, or a count next falls.
--              With budgets, before the first count: of each {spent, reserved, us since the ledger
--              was read or -1, whether to tell that it was crossed, whether it refuses}; none of any
--              where no model is called or a limit refuses
--
-- A log is a list of the times of what was admitted, oldest first. All that have left the window
-- are cut from its head, so its length is exactly the number admitted in the last window.
-- Times are Redis's own, in microseconds: a double holds them exactly until the year 2255.

local STEPS = 10 -- of a stepped limit's window

local call = redis.call
local time = call('TIME')
local now = time[1] * 1000000 + time[2]

local log = {}

-- Cut off what has left the window. Batches grow: mostly one entry goes, after a pause thousands.
local function trim(key, first, horizon)
    local batch = 4
    while first <= horizon do
        local head, gone = call('LRANGE', key, 0, batch - 1), 0
        while gone < #head and tonumber(head[gone + 1]) <= horizon do gone = gone + 1 end
        call('LTRIM', key, gone, -1)
        first = tonumber(head[gone + 1] or call('LINDEX', key, 0))
        batch = math.min(batch * 4, 1024)
    end
    return first
end

-- How many stand in the window, and the times of the oldest and the newest.
function log.count(key, window)
    local first = tonumber(call('LINDEX', key, 0) or nil)
    if not first then return 0 end
    local last = tonumber(call('LINDEX', key, -1))
    -- Everything has left the window; or the clock was set back by more than one.
    if last <= now - window or last > now + window then
        call('DEL', key)
        return 0
    end
    first = trim(key, first, now - window)
    return call('LLEN', key), first, last
end

-- When the place-th oldest leaves the window.
function log.leaves(l, place)
    if place == 1 then return l.first + l.window end
    return tonumber(call('LINDEX', l.key, place - 1)) + l.window
end

function log.take(l)
    -- A clock that was set back a little must not disorder the list.
    local at = math.max(now, l.last or 0)
    for _ = 1, l.cost do call('RPUSH', l.key, at) end
    -- Two windows to live, renewed once a window: the key outlives its last entry by one.
    if not l.last or math.floor(l.last / l.window) ~= math.floor(at / l.window) then
        call('PEXPIRE', l.key, math.ceil(l.window / 500) + 1000)
    end
    l.first = l.first or at
end

-- A stepped limit counts in tenths of its window; the oldest tenth counts until all of it has
-- left, so it never admits too much, and admits again at most a tenth of a window late.
local stepped = {}

local function step(window) return math.ceil(window / STEPS) end

local function slots(key, window)
    local all, found, this = call('HGETALL', key), {}, math.floor(now / step(window))
    for i = 1, #all, 2 do
        local slot = tonumber(all[i])
        -- Behind us it has left the window; ahead of us the clock was set back by more than one.
        if slot < this - STEPS or slot > this + STEPS then
            call('HDEL', key, all[i])
        else
            found[#found + 1] = { slot = slot, count = tonumber(all[i + 1]) }
        end
    end
    table.sort(found, function(a, b) return a.slot < b.slot end)
    return found
end

function stepped.count(key, window)
    local sum = 0
    for _, s in ipairs(slots(key, window)) do sum = sum + s.count end
    return sum
end

function stepped.leaves(l, place)
    local sum = 0
    for _, s in ipairs(slots(l.key, l.window)) do
        sum = sum + s.count
        if sum >= place then return (s.slot + 1 + STEPS) * step(l.window) end
    end
    return now + l.window
end

function stepped.take(l)
    call('HINCRBY', l.key, math.floor(now / step(l.window)), l.cost)
    call('PEXPIRE', l.key, math.ceil(l.window / 500) + 1000)
end

-- What is asked once. An idempotency key's value is 'r', 'd' or 'c' (running, done, done out of the
-- cache), the fingerprint of 32 characters, and then whoever runs it or the id of its answer.
local revocable, asked = tonumber(ARGV[1]), tonumber(ARGV[2])
local function asks(kind) return math.floor(asked / kind) % 2 end
local asks_cache, asks_lease, asks_key, asks_ring = asks(1), asks(2), asks(4), asks(8)
local count_of_budgets = budgets and tonumber(ARGV[#ARGV]) or 0
local count_of_asked = asks_cache + asks_lease + asks_key + asks_ring
local count_of_limits = #KEYS - revocable - count_of_asked - 2 * count_of_budgets
local next_key, next_arg = count_of_limits + revocable + 1, asked % 8 > 0 and 7 or 3

if revocable == 1 and call('EXISTS', KEYS[count_of_limits + 1]) == 1 then
    return { 1, 0, now, 0, '', '' }
end

local function take_key(flag)
    if flag == 0 then return nil end
    next_key = next_key + 1
    return KEYS[next_key - 1]
end
local cached, lease, once = take_key(asks_cache), take_key(asks_lease), take_key(asks_key)
local ring = take_key(asks_ring)
local who, lease_ms, max_age_ms, fingerprint = ARGV[3], ARGV[4], ARGV[5], ARGV[6]

local function decide()
    local before = once and call('GET', once)
    if before then
        if before:sub(2, 33) ~= fingerprint then return 'conflict', '' end
        if before:sub(1, 1) == 'r' then return 'running', '' end
        return 'replay', before
    end
    local found = cached and call('GET', cached)
    if found and (tonumber(found:sub(1, 13)) or 0) >= now / 1000 - max_age_ms then
        return 'hit', found
    end
    if lease and call('EXISTS', lease) == 1 then return 'follow', '' end
    return 'lead', ring and table.concat(call('LRANGE', ring, 0, -1)) or ''
end
local mode, payload = decide()

local limits, refused, wait = {}, 0, 0
for i = 1, count_of_limits do
    local at = (i - 1) * 4 + next_arg
    local max, window, cost = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    if ARGV[at + 3] == '1' and mode ~= 'lead' then cost = 0 end
    local kind = log
    if window < 0 then kind, window = stepped, -window end
    local count, first, last = kind.count(KEYS[i], window)
    local l = {
        key = KEYS[i], kind = kind, max = max, window = window, cost = cost,
        count = count, first = first, last = last,
    }
    limits[i] = l
    local over = count + cost - max
    if cost > 0 and over > 0 then
        -- What can never be admitted waits for a whole window, and is told so.
        local free = count >= over and kind.leaves(l, over) or now + window
        if refused == 0 or free - now > wait then refused, wait = i, free - now end
    end
end

-- What budgets have room for. One that does not know what the ledger has refuses as well.
local claims, told, over = {}, {}, false
if mode == 'lead' and refused == 0 then
    for i = 1, count_of_budgets do
        local key, at = #KEYS - 2 * (count_of_budgets - i) - 1, #ARGV - 2 - 4 * (count_of_budgets - i + 1)
        local a = budgets.open(KEYS[key], KEYS[key + 1], now)
        local max, amount = tonumber(ARGV[at]), tonumber(ARGV[at + 2])
        local had = budgets.amount(a, 'r' .. ARGV[#ARGV - 2]) or 0
        local full = a.built == 0 or (amount > had and a.spent + a.held + amount - had > max)
        local age = a.built > 0 and now - a.built or -1
        told[i] = { a.spent, a.held, age, budgets.warn(a, tonumber(ARGV[at + 1]), now), full and 1 or 0 }
        claims[i] = { a = a, amount = math.max(amount, had), had = had, expires_at = ARGV[at + 3] }
        over = over or full
    end
end

local reply = { 0, refused, now, wait, mode, payload }
if budgets then reply[7] = told end
if refused > 0 or over then return reply end
for _, c in ipairs(claims) do
    budgets.hold(c.a, ARGV[#ARGV - 2], c.amount, c.had, now, ARGV[#ARGV - 1], c.expires_at)
end
if lease and mode == 'lead' then call('SET', lease, who, 'PX', lease_ms) end
if once and (mode == 'lead' or mode == 'follow') then
    call('SET', once, 'r' .. fingerprint .. who, 'PX', lease_ms)
end
for _, l in ipairs(limits) do
    if l.cost > 0 then
        l.kind.take(l)
        l.count = l.count + l.cost
    end
    local place = math.min(l.count, math.max(1, l.count - l.max + 1))
    reply[#reply + 1] = l.count
    reply[#reply + 1] = place > 0 and l.kind.leaves(l, place) or now + l.window
end
return reply
