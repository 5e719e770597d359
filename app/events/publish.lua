-- Append events to a partition of the log. An emptied server begins a new epoch.
-- KEYS: the stream, its meta hash. ARGV: an epoch to begin if there is none, then of each event its
-- JSON and its owner.
-- Reply: {epoch, id, id, …}
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if not epoch then
    epoch = ARGV[1]
    redis.call('HSET', KEYS[2], 'epoch', epoch)
end
local reply = { epoch }
for i = 2, #ARGV, 2 do
    local fields = { 'epoch', epoch, 'event', ARGV[i], 'owner', ARGV[i + 1] }
    reply[#reply + 1] = redis.call('XADD', KEYS[1], '*', unpack(fields))
end
return reply
