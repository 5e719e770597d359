-- Append events to a partition of the log. An emptied server begins a new epoch. What is from before
-- an erasure of its user (see app/erasure.py) is left out.
-- KEYS: the stream, its meta hash, the marks of erasures by owner. ARGV: an epoch to begin if there is
-- none, then of each event its JSON, its owner and its id.
-- Reply: {epoch, entry id, entry id, …}; of what was left out it is empty
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if not epoch then
    epoch = ARGV[1]
    redis.call('HSET', KEYS[2], 'epoch', epoch)
end
local marked = redis.call('EXISTS', KEYS[3]) == 1
local reply = { epoch }
for i = 2, #ARGV, 3 do
    local mark = marked and redis.call('HGET', KEYS[3], ARGV[i + 1])
    if mark and ARGV[i + 2]:sub(1, #mark) <= mark then
        reply[#reply + 1] = ''
    else
        local fields = { 'epoch', epoch, 'event', ARGV[i], 'owner', ARGV[i + 1] }
        reply[#reply + 1] = redis.call('XADD', KEYS[1], '*', unpack(fields))
    end
end
return reply
