"""Hammer: a user who asks far more often than the limit allows, over all processes at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import aiohttp

from tests.chaos.fleet import MOST, WINDOW, Fleet
from tests.chaos.ledger import Admitted, Ledger
from tests.chaos.writers import bearer

USER = "hammer"
PATH = f"/api/v2/content/{UUID(int=0)}"  # the cheapest request that is counted: 404
PAUSE = 0.04  # s; four of them ask about twenty times as often as they may
PATIENCE = aiohttp.ClientTimeout(total=10.0)


async def hammer(fleet: Fleet, ledger: Ledger) -> None:
    """Until the ledger is closed."""
    headers = {"Authorization": bearer(USER, "standard")}
    while not ledger.closed:
        asked = time.time()
        try:
            async with fleet.http.get(
                fleet.balancer.pick() + PATH, headers=headers, timeout=PATIENCE
            ) as response:
                _note(response, asked, ledger)
        except (aiohttp.ClientError, TimeoutError):
            ledger.counts["hammering: broken"] += 1
        await asyncio.sleep(PAUSE)


def _note(response: aiohttp.ClientResponse, asked: float, ledger: Ledger) -> None:
    if response.status == 429:
        ledger.counts["hammering: refused"] += 1
    elif response.status in (404, 503):  # 503: the database was busy; it is counted all the same
        ledger.counts["hammering: admitted"] += 1
        limit = int(response.headers.get("X-RateLimit-Limit", MOST))
        ledger.admitted.append(Admitted(asked, time.time(), limit))
    else:
        ledger.unexpected[f"hammering {response.status}"] += 1


@dataclass
class Windows:
    """The fullest windows that lie between an asking and an answer: all in them was admitted."""

    clean: int = 0  # of those that no outage touches
    cleans: int = 0
    touched: int = 0  # of those that one does
    toucheds: int = 0
    killed: int = 0  # of those in which a gateway was killed besides
    killeds: int = 0
    spare: int = 2 * MOST  # the least that was left in one of these
    broken: int = 0  # how many admitted more than they may

    def note(self, inside: int, touched: bool, grown: int | None) -> None:
        if not touched:
            self.cleans += 1
            self.clean = max(self.clean, inside)
            self.broken += inside > MOST
            return
        self.toucheds += 1
        self.touched = max(self.touched, inside)
        spare = 2 * MOST + (grown or 0) - inside
        self.broken += spare < 0
        if grown is not None:
            self.killeds += 1
            self.killed = max(self.killed, inside)
            self.spare = min(self.spare, spare)


def windows(ledger: Ledger, processes: int) -> Windows:
    """Every window that begins with an admission.

    One is touched by an outage when it was ordered then, or when a process decided by itself: its
    answer shows the process's share as the limit. Such a window may admit twice the limit, and
    what shares grew by in the processes that followed a killed one.
    """
    found, admitted = Windows(), sorted(ledger.admitted, key=lambda a: a.asked)
    for at, first in enumerate(admitted):
        since, until, inside, alone = first.asked, first.asked + WINDOW, 0, False
        for other in admitted[at:]:
            if other.asked > until:
                break
            inside += other.answered <= until
            alone = alone or other.limit < MOST
        touched = alone or ledger.away(since, until)
        found.note(inside, touched, grown(ledger.deaths, since, until, processes))
    return found


def grown(
    deaths: Sequence[tuple[float, str]], since: float, until: float, processes: int
) -> int | None:
    """By how much shares grew at most behind each gateway's first death; None: there was none.

    It is as old as the time since then at the most, however often it was killed again.
    """
    firsts: dict[str, float] = {}
    for at, name in deaths:
        if since <= at <= until:
            firsts.setdefault(name, at)
    share = max(1, MOST // processes)
    return sum(int(share * (until - at) / WINDOW) for at in firsts.values()) if firsts else None
