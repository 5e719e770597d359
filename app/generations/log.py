"""GenerationLog: transcripts in Redis, so that a reader on any process can join, leave and return.

One stream for each generation, `loregate:{u:…}:generation:<id>`, which lives for ten minutes
behind its last event. An entry's id is the event's position, so that whoever writes an event twice
writes it once, and a position means the same in the stream and in memory. The generations that run
stand in one sorted set with the time at which their lease ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterable, Sequence
from importlib import resources
from itertools import islice
from typing import Any

import orjson

from app import spans
from app.errors import DependencyUnavailable
from app.generations.transcript import RECOVERY_GAP, Event, Transcript
from app.redis.budget import ByteBudget
from app.redis.client import Call, Redis, Script, user_slot
from app.redis.steps import mark_key
from app.redis.streams import by_stream, fields_of

RETENTION = 600.0  # s behind the last event
BRIEF_RETENTION = 30.0  # s behind the end of one for which there is no room: its readers catch up
ENTRY_BYTES = 32  # of an entry beside its event: its id, the field's name, its part of a node
LEASE_TTL = 8.0  # s; with a look every 2 s whoever died is followed within 10 s of its last renewal
CANCEL_REQUEST_TTL = 60.0  # s for which a wish to cancel stands
READER_TTL = 5.0  # s for which a process that reads is believed to; it says so every 0.4
# s between two round trips, in which news are collected: two deltas of each. The first go at once.
WRITE_INTERVAL = 0.04
MAX_WRITTEN = 32  # transcripts of one round trip: 2 ms of packing
RETRY_INTERVAL = 0.2  # s between tries while Redis is away
MAX_REAPED = 100  # at once
PAGE_SIZE = 500  # entries of one read
MAX_UNWRITTEN = 1_000  # ended transcripts that wait for Redis; then the oldest are let go

RUNNING = "loregate:{generations}:running"
CANCELLING = "loregate:{generations}:cancelling"

_source = resources.files("app.generations")
APPEND, CANCEL, END, RENEW, LAPSED, READERS = (
    Script(_source.joinpath(f"{name}.lua").read_text())
    for name in ("append", "cancel", "end", "renew", "lapsed", "readers")
)

Recover = Callable[[Event], Awaitable[list[Event] | None]]

log = logging.getLogger(__name__)


def generation_key(user_id: str, generation_id: str) -> str:
    """A generation's stream; only its owner's name leads to it."""
    return f"{user_slot(user_id)}:generation:{generation_id}"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


class GenerationLog:
    """Writes transcripts down, from `start()` to `stop()`, and reads those of other processes."""

    def __init__(
        self,
        redis: Redis,
        budget: ByteBudget | None = None,
        *,
        retention: float = RETENTION,
        lease: float = LEASE_TTL,
    ) -> None:
        """`retention` and `lease` in seconds. `budget`: for what has ended; past it a transcript
        lives for `BRIEF_RETENTION`, and what its content tells of it for as long as that is kept.
        """
        self.redis, self._budget = redis, budget
        self._lives: dict[Transcript, float] = {}  # s, of those whose end is to be written
        self._retention, self._lease = retention, lease
        self._process = uuid.uuid4().hex
        self._written: dict[Transcript, int] = {}  # the last position that is written down
        self._dirty: dict[Transcript, None] = {}  # in the order in which they became so
        self._failed: dict[Transcript, None] = {}  # to be tried again soon
        self._retry_timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._writing = asyncio.create_task(self._write(), name="generations-log")

    async def stop(self) -> None:
        if self._retry_timer is not None:
            self._retry_timer.cancel()
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.gather(self._writing, return_exceptions=True)

    # -- writing
    @property
    def idle(self) -> bool:
        """Whether nothing is to be written, and nothing is remembered of what ended."""
        return not (self._dirty or self._failed or self._written)

    def changed(self, transcript: Transcript) -> None:
        """Have what is new written down soon, together with what others have."""
        if transcript not in self._failed:
            self._dirty.setdefault(transcript)
            self._changed.set()

    async def _write(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            left = len(self._dirty)
            while found := list(islice(self._dirty, min(left, MAX_WRITTEN))):
                for transcript in found:
                    del self._dirty[transcript]
                left -= len(found)
                await self._write_down(found)
            await asyncio.sleep(WRITE_INTERVAL)

    async def _write_down(self, found: Sequence[Transcript]) -> None:
        replies = await self.redis.run_each([self._append(t) for t in found])
        failed = []
        for transcript, reply in zip(found, replies, strict=True):
            if isinstance(reply, DependencyUnavailable):
                failed.append(transcript)
            else:
                self._note(transcript, reply)
        if failed:
            self._fail(failed)

    def _fail(self, found: Sequence[Transcript]) -> None:
        """What is written twice stands there once, so nothing needs to be known of what arrived.

        In a cluster only a part may be away: what is not is written meanwhile.
        """
        for transcript in found:
            self._written[transcript] = 0
            self._failed.setdefault(transcript)
        ended = [t for t in self._failed if t.ended]
        for transcript in ended[: max(0, len(ended) - MAX_UNWRITTEN)]:
            del self._failed[transcript]
            self._forget(transcript)
        if self._retry_timer is None:
            self._retry_timer = asyncio.get_running_loop().call_later(RETRY_INTERVAL, self._retry)

    def _retry(self) -> None:
        self._retry_timer = None
        self._dirty = {**self._failed, **self._dirty}
        self._failed = {}
        self._changed.set()

    def _append(self, transcript: Transcript, end: bytes | None = None) -> Call:
        entries = transcript.encoded(self._written.get(transcript, 0))
        if end is not None:
            entries.append((transcript.last_position + 1, end))
        final = end is not None or transcript.ended
        life = self._life(transcript, entries) if final else self._retention
        args: list[Any] = [_ms(life), int(final)]
        for position, event in entries:
            args += (position, event)
        # What is on its way is not sent again; where it gets lost, the whole is.
        self._written[transcript] = transcript.last_position
        return Call(APPEND, [transcript.key, mark_key(transcript.key)], args)

    def _life(self, transcript: Transcript, last: Sequence[tuple[int, bytes]]) -> float:
        """How long it lives behind its end; decided once, however often that is sent."""
        if self._budget is None:
            return self._retention
        if transcript not in self._lives:
            told = dict([*transcript.encoded(0), *last[-1:]])  # its end stands in one or both
            size = sum(ENTRY_BYTES + len(event) for event in told.values())
            kept = self._budget.take(
                transcript.key.partition(":generation:")[0], size, self._retention
            )
            self._lives[transcript] = self._retention if kept else BRIEF_RETENTION
        return self._lives[transcript]

    def _forget(self, transcript: Transcript) -> None:
        self._written.pop(transcript, None)
        self._lives.pop(transcript, None)

    def _note(self, transcript: Transcript, reply: Any) -> None:
        if reply == b"lost":
            self._written[transcript] = 0
            self.changed(transcript)
            return
        if isinstance(reply, list):  # another process has ended it
            _end_with(transcript, reply)
        if transcript.ended:
            self._forget(transcript)

    async def begin(self, transcript: Transcript) -> None:
        """Take its lease, and write down its first event. Redis away: as soon as that is back."""
        self._dirty.pop(transcript, None)
        calls = [self._renewal([transcript.key]), self._append(transcript)]
        _, reply = await self.redis.run_each(calls)
        if isinstance(reply, DependencyUnavailable):
            self._written[transcript] = 0
            self.changed(transcript)
        elif isinstance(reply, list):
            _end_with(transcript, reply)  # its user was erased
            await self.release_lease(transcript.key)

    async def end(self, transcript: Transcript, event: Event) -> None:
        """Its last event, unless another process has ended it: then that one's."""
        reply = await self._write_now(transcript, orjson.dumps(event))
        if isinstance(reply, list):
            log.warning("a generation was ended by another process; this one was too slow")
            _end_with(transcript, reply)
        else:
            transcript.append(event)
        if transcript not in self._dirty and transcript not in self._failed:
            self._forget(transcript)

    async def _write_now(self, transcript: Transcript, end: bytes | None) -> Any:
        self._dirty.pop(transcript, None)
        self._failed.pop(transcript, None)
        before = self._written.get(transcript, 0)
        try:
            reply = await self.redis.run(*_parts(self._append(transcript, end)))
            if reply == b"lost":
                self._written[transcript] = 0
                reply = await self.redis.run(*_parts(self._append(transcript, end)))
        except DependencyUnavailable:
            self._written[transcript] = before
            self.changed(transcript)
            return None
        return reply

    # -- reading
    async def read(self, transcript: Transcript) -> None:
        """Bring the copy of another process's transcript up to date.

        Raises:
            DependencyUnavailable: Redis is away; what came so far stands in it.
        """
        while True:
            rows = await self.redis.call(
                "XRANGE", transcript.key, f"({transcript.last_position}-0", "+", "COUNT", PAGE_SIZE
            )
            _add(transcript, rows)
            if len(rows) < PAGE_SIZE:
                return

    async def read_all(self, transcripts: Sequence[Transcript]) -> None:
        """The same for many, in one round trip (in a cluster one for each).

        Raises:
            DependencyUnavailable: Redis is away.
        """
        if self.redis.clustered:
            await asyncio.gather(*map(self.read, transcripts))
            return
        by_key = {t.key: t for t in transcripts}
        positions = [f"{t.last_position}-0" for t in by_key.values()]
        reply = await self.redis.call("XREAD", "COUNT", PAGE_SIZE, "STREAMS", *by_key, *positions)
        for key, rows in by_stream(reply):
            _add(by_key[key], rows)

    async def announce_reader(self, keys: Iterable[str]) -> None:
        """This process reads these. Redis away: others do not know it."""
        await self.redis.run_each([self._reading(key, READER_TTL) for key in keys])

    async def other_readers(self, key: str) -> int:
        """This process reads it no more; how many others do.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        found: int = await self.redis.run(*_parts(self._reading(key, 0)))
        return found

    def _reading(self, key: str, seconds: float) -> Call:
        return Call(READERS, [f"{key}:readers"], [self._process, _ms(seconds)])

    async def exists(self, transcript: Transcript) -> bool:
        return bool(await self.redis.call("EXISTS", transcript.key))

    # -- leases
    async def renew_leases(self, keys: Iterable[str]) -> set[str]:
        """Renew the leases of generations; those of them that are to be cancelled.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        found = await self.redis.run(*_parts(self._renewal(keys)))
        return {key.decode() for key in found}

    def _renewal(self, keys: Iterable[str]) -> Call:
        args = [_ms(self._lease), _ms(CANCEL_REQUEST_TTL), *keys]
        return Call(RENEW, [RUNNING, CANCELLING], args)

    async def release_lease(self, key: str) -> None:
        """The generation has ended. Redis away: its lease lapses."""
        with contextlib.suppress(DependencyUnavailable):
            await self.redis.call("ZREM", RUNNING, key)

    async def check(self) -> None:
        """Raises `DependencyUnavailable` where the leases cannot be had."""
        await self.redis.call("EXISTS", RUNNING)

    async def cancel(self, key: str) -> None:
        """Ask the process that runs it to cancel it. Raises `DependencyUnavailable`."""
        await self.redis.run(CANCEL, [CANCELLING], [key])

    async def reap(self, event: Event, recover: Recover | None = None) -> int:
        """End the generations whose process died, with this event; how many there were.

        `recover` tells, by its first event, what one left behind that was stored before the death.

        Raises:
            DependencyUnavailable: Redis is away.
        """
        found = await self.redis.run(LAPSED, [RUNNING], [MAX_REAPED, _ms(self._lease)])
        ended = 0
        for key in found:
            with contextlib.suppress(DependencyUnavailable):  # its turn comes again after a lease
                first = await self._first_event(key)
                with spans.later("recover generation", [first.get("traceparent")]):
                    left = await recover(first) if recover is not None else None
                    ended += await self._end_dead(key, left or [event])
        return ended

    async def _end_dead(self, key: bytes, events: Iterable[Event]) -> int:
        args = [_ms(self._retention), RECOVERY_GAP, *map(orjson.dumps, events)]
        ended: int = await self.redis.run(END, [key.decode()], args)
        await self.redis.call("ZREM", RUNNING, key)
        return ended

    async def _first_event(self, key: bytes) -> Event:
        """A generation's first event; an empty one where its stream is gone."""
        copy = Transcript(key.decode())
        _add(copy, await self.redis.call("XRANGE", key, "-", "+", "COUNT", 1))
        return copy.events[0] if copy.events else {}


def _end_with(transcript: Transcript, reply: Sequence[bytes]) -> None:
    """The end that stands in Redis."""
    position, encoded = reply
    transcript.append(orjson.loads(encoded), int(position.partition(b"-")[0]), encoded)


def _parts(call: Call) -> tuple[Script, Sequence[str], Sequence[Any]]:
    return call.script, call.keys, call.args


def _add(transcript: Transcript, rows: Any) -> None:
    for name, fields in rows:
        event = fields_of(fields)[b"e"]
        transcript.append(orjson.loads(event), int(name.partition(b"-")[0]), event)
