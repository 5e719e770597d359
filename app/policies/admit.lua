-- What one request may take, decided at once and all or nothing.
--
-- KEYS         one a limit; behind them, if ARGV[1] is 1, the revocation mark of the token
-- ARGV[2..]    three a limit: what it admits in a window, the window in microseconds, what is
--              taken now (0: only look); a negative window marks a stepped limit
-- reply        {revoked, refused, now, wait, count, reset, count, reset, …}
--              refused: which limit refused (1..), 0 for none; wait: microseconds until a lone
--              caller gets in; count: in the window now; reset: when a full limit has room, or a count next falls
--
-- A log is a list of the times of what was admitted, oldest first. All that have left the window
-- are cut from its head, so its length is exactly the number admitted in the last window.
-- Times are Redis's own, in microseconds: a double holds them exactly until the year 2255.

local STEPS = 10 -- of a stepped limit's window

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local function whole(n) return string.format('%.0f', n) end

local log = {}

-- How many stand in the window, and the times of the oldest and the newest.
function log.count(key, window)
    local first = tonumber(redis.call('LINDEX', key, 0) or nil)
    if not first then return 0 end
    local last = tonumber(redis.call('LINDEX', key, -1))
    -- Everything has left the window; or the clock was set back by more than one.
    if last <= now - window or last > now + window then
        redis.call('DEL', key)
        return 0
    end
    while first <= now - window do
        local head, gone = redis.call('LRANGE', key, 0, 99), 0
        while gone < #head and tonumber(head[gone + 1]) <= now - window do gone = gone + 1 end
        redis.call('LTRIM', key, gone, -1)
        first = tonumber(head[gone + 1] or redis.call('LINDEX', key, 0))
    end
    return redis.call('LLEN', key), first, last
end

-- When the place-th oldest leaves the window.
function log.leaves(l, place)
    if place == 1 then return l.first + l.window end
    return tonumber(redis.call('LINDEX', l.key, place - 1)) + l.window
end

function log.take(l)
    -- A clock that was set back a little must not disorder the list.
    local at = math.max(now, l.last or 0)
    for _ = 1, l.cost do redis.call('RPUSH', l.key, whole(at)) end
    -- Two windows to live, renewed once a window: the key outlives its last entry by one.
    if not l.last or math.floor(l.last / l.window) ~= math.floor(at / l.window) then
        redis.call('PEXPIRE', l.key, math.ceil(l.window / 500) + 1000)
    end
    l.first = l.first or at
end

-- A stepped limit counts in tenths of its window; the oldest tenth counts until all of it has
-- left, so it never admits too much, and admits again at most a tenth of a window late.
local stepped = {}

local function slots(key, window)
    local step, all, found = window / STEPS, redis.call('HGETALL', key), {}
    for i = 1, #all, 2 do
        if tonumber(all[i]) < math.floor(now / step) - STEPS then
            redis.call('HDEL', key, all[i])
        else
            found[#found + 1] = { slot = tonumber(all[i]), count = tonumber(all[i + 1]) }
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
        if sum >= place then return (s.slot + 1) * l.window / STEPS + l.window end
    end
    return now + l.window
end

function stepped.take(l)
    redis.call('HINCRBY', l.key, whole(math.floor(now / (l.window / STEPS))), l.cost)
    redis.call('PEXPIRE', l.key, math.ceil(l.window * 1.2 / 1000) + 1000)
end

local count_of_limits = #KEYS - ARGV[1]
if ARGV[1] == '1' and redis.call('EXISTS', KEYS[#KEYS]) == 1 then
    return { 1, 0, whole(now), 0 }
end

local limits, refused, wait = {}, 0, 0
for i = 1, count_of_limits do
    local at = (i - 1) * 3 + 1
    local max, window, cost = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
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
        if free - now > wait then refused, wait = i, free - now end
    end
end

local reply = { 0, refused, whole(now), whole(wait) }
for _, l in ipairs(limits) do
    if refused == 0 and l.cost > 0 then
        l.kind.take(l)
        l.count = l.count + l.cost
    end
    local place = math.max(1, l.count - l.max + 1)
    reply[#reply + 1] = whole(l.count)
    reply[#reply + 1] = whole(l.count > 0 and l.kind.leaves(l, place) or now + l.window)
end
return reply
