"""Processes of one service that share the event stream in Redis, as a consumer group.

Each event goes to one of them; what one took and did not acknowledge before it died is taken over
by another after a minute. An event may come twice: dedupe by its `id`, as event_service.py does.
While Redis is away the process ends with an error: let whatever runs it start it again.

Install:
    pip install redis

Run, once for each process (`make dev` prints its REDIS_URL, with the gateway's own it is that):
    REDIS_URL=redis://localhost:6379/0 NAME=one python consumer_group.py
"""

import contextlib
import json
import os

import redis

hub = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379/0"))
stream, group = "loregate:events:{0}", "billing"
name = os.environ.get("NAME", "one")  # another for each process
with contextlib.suppress(redis.ResponseError):  # it is there already
    hub.xgroup_create(stream, group, id="0", mkstream=True)
while True:
    left = hub.xautoclaim(stream, group, name, min_idle_time=60_000, count=100)[1]
    new = hub.xreadgroup(group, name, {stream: ">"}, count=100, block=2000)
    for place, fields in [*left, *(entry for _, entries in new or [] for entry in entries)]:
        event = json.loads(fields[b"event"])
        print(event["type"], event["content_id"], flush=True)
        hub.xack(stream, group, place)
