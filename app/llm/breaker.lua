-- What happened to the models behind breakers, told by one gateway and answered with what all of them know.
--
-- KEYS       one a breaker: JSON of `failures` in a row, when the last `failed`, the `window` of
--            outcomes by slot; while open also when the wait for a probe `ends`, its whole
--            `length`, and the `probe` with its `lease`. Times are milliseconds. A closed breaker
--            is kept too: a key that is missing says that the server lost it.
-- ARGV[1]    the time, or nothing for the server's own
-- ARGV[2..7] failures, a slot's length, outcomes, the wait for the first probe and for the next, a
--            lease
-- ARGV[8..]  ten a breaker: the event (nothing, ok, failed, lasting, probe); the sender's probe; a
--            probe whose place it gives back; successes, and the age of the last; the shortest
--            wait that a failure asked for; and the sender's view: what is left of the wait (-1:
--            closed), its length, failures in a row, and 1 if the view was made without Redis
-- Reply: {the server's time in microseconds, then for each breaker
--         {failures, what is left of the wait (-1: closed), its length,
--          what is left of another's lease, 1 if the probe is granted}}

local SLOTS, KEEP = 10, 600000  -- ms; longer than any wait or lease, so that none is forgotten
local clock = redis.call('TIME')
local stamp = clock[1] * 1000000 + clock[2]
local now = tonumber(ARGV[1]) or math.floor(stamp / 1000)
local FAILURES, SLOT, OUTCOMES = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local FIRST, NEXT, LEASE = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local slot = math.floor(now / SLOT)

local function closed()
    return { failures = 0, failed = 0, window = {} }
end

local function open(breaker, length, asked)
    breaker.failures, breaker.window, breaker.probe, breaker.lease = 0, {}, nil, nil
    breaker.length = math.max(length, asked)
    breaker.ends = now + breaker.length
end

local function count(breaker, ok, failed)
    for name in pairs(breaker.window) do
        if tonumber(name) <= slot - SLOTS then breaker.window[name] = nil end
    end
    local found = breaker.window[tostring(slot)] or { 0, 0 }
    breaker.window[tostring(slot)] = { found[1] + ok, found[2] + failed }
end

local function bad(breaker)
    local ok, failed = 0, 0
    for _, found in pairs(breaker.window) do ok, failed = ok + found[1], failed + found[2] end
    return breaker.failures >= FAILURES or (ok + failed >= OUTCOMES and failed >= ok)
end

-- The worse of what the server knows and what a gateway saw without it.
local function merge(breaker, known, left, length, failures, unsaid)
    if left >= 0 and (unsaid or not known) then
        breaker.ends = math.max(breaker.ends or 0, now + left)
        breaker.length = math.max(breaker.length or 0, length)
        return true
    elseif unsaid and not breaker.ends and failures > breaker.failures then
        breaker.failures, breaker.failed = failures, now
        return true
    end
    return false
end

-- A clock that was set back holds nobody off for longer than the wait or a lease lasts.
local function trim(breaker)
    if breaker.ends then breaker.ends = math.min(breaker.ends, now + breaker.length) end
    if breaker.lease then breaker.lease = math.min(breaker.lease, now + LEASE) end
end

local function happen(breaker, event, probe, asked)
    -- Where nobody else probes, a probe that began without Redis or outlived its lease counts too.
    local probing = probe ~= '' and (not breaker.probe or breaker.probe == probe)
    if not breaker.ends then
        if event == 'ok' then
            count(breaker, 1, 0)
            breaker.failures = 0
        elseif event == 'failed' or event == 'lasting' then
            count(breaker, 0, 1)
            breaker.failures, breaker.failed = breaker.failures + 1, now
            if event == 'lasting' or bad(breaker) then open(breaker, FIRST, asked) end
        end
    elseif probing and event == 'ok' then
        return closed()
    elseif probing and (event == 'failed' or event == 'lasting') then
        open(breaker, NEXT, asked)
    elseif event == 'probe' and breaker.ends <= now and not breaker.probe then
        breaker.probe, breaker.lease = probe, now + LEASE
    end
    return breaker
end

local function told(key, at)
    local event, probe, returned = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local ok, age, asked = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
    local left, length = tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7])
    local text = redis.call('GET', key)
    local breaker = text and cjson.decode(text) or closed()
    local merged = merge(
        breaker, text, left, length, tonumber(ARGV[at + 8]), ARGV[at + 9] == '1')
    trim(breaker)
    if breaker.probe and (breaker.probe == returned or breaker.lease <= now) then
        breaker.probe, breaker.lease = nil, nil
    end
    if ok > 0 and not breaker.ends then
        count(breaker, ok, 0)
        if now - age > breaker.failed then breaker.failures = 0 end
    end
    breaker = happen(breaker, event, probe, asked)
    if event ~= '' or ok > 0 or returned ~= '' or merged then
        redis.call('SET', key, cjson.encode(breaker), 'PX', KEEP)
    end
    local mine = breaker.probe == probe
    return {
        breaker.failures,
        breaker.ends and math.max(0, breaker.ends - now) or -1,
        breaker.length or 0,
        (breaker.probe and not mine) and breaker.lease - now or 0,
        (event == 'probe' and mine) and 1 or 0,
    }
end

local reply = { stamp }
for at, key in ipairs(KEYS) do reply[at + 1] = told(key, 8 + (at - 1) * 10) end
return reply
