"""Checks: the promises, held against what happened. Each gives a verdict; none stops another."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp
from redis.asyncio import Redis

from app.events.cursor import Position
from app.events.relay import MIN_AGE
from tests.chaos import truth
from tests.chaos.fleet import MOST, Fleet
from tests.chaos.hammer import windows
from tests.chaos.ledger import Ledger, Told, Wanted
from tests.chaos.subscribers import Subscriber
from tests.chaos.truth import Published, Stored
from tests.chaos.writers import Away, Refused, Writer, bearer

SHOWN = 5  # violations of a kind that are told in words
TOGETHER = 16  # questions at once
TRIES = 5
KEPT = 500.0  # s; a transcript lives for 600 behind its last event
HEALING = 10.0  # s within which everything is well again once Redis is back


@dataclass
class Verdict:
    """One promise: how much was looked at, and what broke it."""

    promise: str
    looked_at: int = 0
    broken: list[str] = field(default_factory=list)

    def hold(self, well: bool, otherwise: str) -> None:
        self.looked_at += 1
        if not well:
            self.broken.append(otherwise)


# -- events
def heard_in_order(
    subscribers: Sequence[Subscriber], starts: dict[str, Position], log: Sequence[Published]
) -> Verdict:
    """Each subscriber heard its user's part of the log: all of it, in order, each place once."""
    verdict = Verdict("subscribers heard all of the log, in its order, each place once")
    of_user: dict[str, list[Published]] = defaultdict(list)
    for entry in log:
        of_user[entry.user].append(entry)
    for one in subscribers:
        wanted = [e for e in of_user[one.user] if _behind(e.position, starts[one.user])]
        epochs = {entry.position.epoch for entry in wanted}
        heard = [h for h in one.heard if h.position.epoch in epochs]
        same = [(h.position, h.id) for h in heard] == [(e.position, e.id) for e in wanted]
        positions = {h.position for h in heard}
        missed = sum(e.position not in positions for e in wanted)
        said = f"{one.kind} of {one.user}: {len(heard)} heard of {len(wanted)}, {missed} missed"
        verdict.hold(same, said)
        verdict.looked_at += len(wanted) - 1
    return verdict


def _behind(position: Position, start: Position) -> bool:
    return position.epoch != start.epoch or position.entry_id > start.entry_id


def all_published(log: Sequence[Published], stored: Sequence[Stored], left: int) -> Verdict:
    """Every stored event is in the log, and nothing else is; the outbox is empty."""
    verdict = Verdict("every stored event was published, and no other")
    there, known = {entry.id for entry in log}, {event.id for event in stored}
    for event in stored:
        verdict.hold(event.id in there, f"{event.id} of {event.user} was never published")
    for entry in log:
        verdict.hold(entry.id in known, f"{entry.id} of {entry.user} was published, not stored")
    verdict.hold(left == 0, f"{left} events wait in the outbox")
    return verdict


def relayed_in_stored_order(log: Sequence[Published], stored: Sequence[Stored]) -> Verdict:
    """What was left behind by its own request comes later, in stored order for each user."""
    verdict = Verdict("a user's delayed events came in stored order")
    positions = _first_positions(log)
    late = [e for e in stored if e.id in positions and _delay(e, positions[e.id]) >= MIN_AGE]
    early = set(overtakers(log, late))
    for event in late:
        said = f"{event.id} of {event.user} came before one that was stored before it"
        verdict.hold(event.id not in early, said)
    return verdict


def overtakers(log: Sequence[Published], stored: Sequence[Stored]) -> list[str]:
    """Events that stand in the log before one of the same user that was stored before them."""
    positions, last, found = _first_positions(log), dict[str, Position](), []
    for event in stored:
        position = positions.get(event.id)
        if position is None:
            continue
        before = last.setdefault(event.user, position)
        if before.epoch == position.epoch and position.entry_id < before.entry_id:
            found.append(event.id)
        else:
            last[event.user] = position
    return found


def _first_positions(log: Sequence[Published]) -> dict[str, Position]:
    positions: dict[str, Position] = {}
    for entry in log:
        positions.setdefault(entry.id, entry.position)
    return positions


def _delay(event: Stored, position: Position) -> timedelta:
    return timedelta(seconds=position.entry_id.ms / 1000 - event.stored_at.timestamp())


def group_took_all(ledger: Ledger, log: Sequence[Published]) -> Verdict:
    verdict = Verdict("the consumer group processed every event")
    for event_id in {entry.id for entry in log}:
        verdict.hold(event_id in ledger.taken, f"{event_id} was never processed")
    return verdict


# -- content
async def content_is_there(fleet: Fleet, ledger: Ledger, stored: Sequence[Stored]) -> Verdict:
    """What was acknowledged can be read, and has its event."""
    verdict = Verdict("acknowledged content can be read, and has its event")
    events = {(event.user, event.content_id) for event in stored}
    gate = asyncio.Semaphore(TOGETHER)

    async def look(wanted: Wanted) -> None:
        content_id = wanted.answers[0]
        verdict.hold((wanted.user, content_id) in events, f"{content_id} has no event")
        async with gate:
            status = await _status(fleet, wanted.user, f"/api/v2/content/{content_id}")
        verdict.hold(status == 200, f"{content_id} of {wanted.user}: {status}")

    await asyncio.gather(*map(look, ledger.acknowledged))
    return verdict


async def _status(fleet: Fleet, user: str, path: str) -> int:
    headers = {"Authorization": bearer(user)}
    for _ in range(TRIES):
        try:
            async with fleet.http.get(fleet.balancer.pick() + path, headers=headers) as response:
                if response.status != 503:
                    return response.status
        except (aiohttp.ClientError, TimeoutError):
            pass
        await asyncio.sleep(0.5)
    return 503


async def keys_got_the_same(
    writers: Sequence[Writer], fleet: Fleet, ledger: Ledger, stored: Sequence[Stored]
) -> Verdict:
    """Every key, asked for once more, gives what it gave; and no content was made without one."""
    verdict = Verdict("a key gives one content, and each content has its key")
    of_user = {writer.user: writer for writer in writers}
    gate, found = asyncio.Semaphore(TOGETHER), set()

    async def ask(wanted: Wanted) -> None:
        async with gate:
            content_id = await _again(of_user[wanted.user], wanted, fleet)
        found.add((wanted.user, content_id))
        given = {*wanted.answers, content_id}
        verdict.hold(len(given) == 1, f"key {wanted.key} ({wanted.kind}) gave {sorted(given)}")

    await asyncio.gather(*map(ask, ledger.wanted))
    for user, content_id in {(event.user, event.content_id) for event in stored}:
        verdict.hold((user, content_id) in found, f"{content_id} of {user}: no key gave it")
    return verdict


async def _again(writer: Writer, wanted: Wanted, fleet: Fleet) -> str:
    said = ""
    for _ in range(TRIES):
        try:
            return await writer.rest(wanted, fleet.balancer.pick())
        except (Away, Refused) as error:
            said = str(error)
            await asyncio.sleep(0.5)
    return said


# -- generations
async def generations_ended_once(ledger: Ledger, redis_url: str) -> Verdict:
    """Each has one last event, as heard and as written down.

    One that began while Redis was away and died with its process is known to nobody: its client
    gets 404, and its key gives the content once more.
    """
    verdict = Verdict("each generation had exactly one last event")
    async with Redis.from_url(redis_url) as redis:
        for told in ledger.generations:
            away = ledger.away(told.began - HEALING, told.ended + HEALING)
            if told.unknown and away:
                ledger.counts["generations lost in an outage"] += 1
                continue
            verdict.hold(len(told.ends) == 1, f"{told.id}: heard {told.ends or 'no end'}")
            if told.ended > time.time() - KEPT:
                written = await truth.ends(redis, told.user, told.id)
                verdict.hold(_agree(told, written), f"{told.id}: heard {told.ends}, has {written}")
    return verdict


def _agree(told: Told, written: list[str] | None) -> bool:
    """Forgotten is nothing to disagree with: Redis may have lost it."""
    return written is None or written == told.ends


# -- limits
def limits_held(ledger: Ledger, processes: int) -> Verdict:
    found = windows(ledger, processes)
    verdict = Verdict("no window admitted more than it may", found.cleans + found.toucheds)
    counts = ledger.counts
    counts[f"fullest window without an outage (of {MOST})"] = found.clean
    counts[f"fullest window with one (of {2 * MOST})"] = found.touched
    counts["windows without an outage"], counts["windows with one"] = found.cleans, found.toucheds
    counts["windows with one and a kill"] = found.killeds
    if found.killeds:
        counts["fullest window with one and a kill"] = found.killed
        counts["least room left in such a window"] = found.spare
    if found.broken:
        verdict.broken.append(f"{found.broken} windows admitted too many")
    return verdict


def nothing_unexpected(ledger: Ledger) -> Verdict:
    said = [f"{n} times {what}" for what, n in ledger.unexpected.items()]
    return Verdict("no answer that nothing explains", len(ledger.wanted), said)


# -- a Redis that lost its data
def told_of_the_loss(subscribers: Sequence[Subscriber], left: int) -> Verdict:
    """Each subscriber was told that its place is gone, and the outbox was published."""
    verdict = Verdict("subscribers were told of the loss, and the outbox was published")
    for one in subscribers:
        verdict.hold(one.expired > 0, f"{one.kind} of {one.user} was not told")
    verdict.hold(left == 0, f"{left} events wait in the outbox")
    return verdict
