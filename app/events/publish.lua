-- Append events to a partition of the log. An emptied server begins a new epoch.
-- KEYS: the stream, its meta hash. ARGV: an epoch to begin if there is none, then the events.
-- Reply: {epoch, id, id, …}
local epoch = redis.call('HGET', KEYS[2], 'epoch')
if not epoch then
    epoch = ARGV[1]
    redis.call('HSET', KEYS[2], 'epoch', epoch)
end
local reply = { epoch }
for i = 2, #ARGV do
    reply[i] = redis.call('XADD', KEYS[1], '*', 'epoch', epoch, 'event', ARGV[i])
end
return reply
