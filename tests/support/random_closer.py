"""A provider that closes its connections at random between answers: nobody is to notice.

`python -m tests.support.random_closer 10000` asks so many times, and tells what it cost.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.llm.failure import AttemptFailed
from app.llm.openai import OpenAIWriter
from tests.support.echo_provider import EchoProvider, ProviderConnection, echo_provider_running
from tests.support.openai_writers import work_for, writer_at
from tests.support.raw_provider import GOOD_ANSWER, TEXT

LANES = 8  # calls at once
SHARE = 0.4  # of the answers behind which a connection ends
LATER = 0.002  # s until which one ends
GOOD = b"".join(step for step in GOOD_ANSWER if isinstance(step, bytes))


@dataclass
class Closer:
    """Answers, and draws how the connection ends: if at all, when, and with a FIN or a RST."""

    draw: random.Random
    closed: Counter[str] = field(default_factory=Counter)
    doomed: set[ProviderConnection] = field(default_factory=set)

    def __call__(self, caller: ProviderConnection, asked: bytes) -> None:
        if caller in self.doomed:  # the request and the end crossed on the way
            self.doomed.remove(caller)
            self._end(caller, "crossing")
            return
        caller.say(GOOD)
        if self.draw.random() < SHARE:
            self._doom(caller)

    def _doom(self, caller: ProviderConnection) -> None:
        when = self.draw.choice(("at once", "later", "crossing"))
        if when == "at once":
            self._end(caller, when)
        elif when == "later":
            loop, wait = asyncio.get_running_loop(), self.draw.uniform(0, LATER)
            loop.call_later(wait, self._end_if_idle, caller, caller.asked)
        else:
            self.doomed.add(caller)

    def _end_if_idle(self, caller: ProviderConnection, asked: int) -> None:
        if caller.asked == asked:
            self._end(caller, "later")

    def _end(self, caller: ProviderConnection, when: str) -> None:
        self.closed[when] += 1
        # A reset right behind an answer may destroy the answer: only idle connections get one.
        if when != "at once" and self.draw.random() < 0.5:
            caller.transport.abort()
        else:
            caller.transport.close()


@dataclass(frozen=True)
class Report:
    """answers: that came whole. failed: attempts that did not. asked: requests on the wire."""

    answers: int
    failed: list[AttemptFailed]
    asked: int
    accepted: int
    closed: Counter[str]


async def asks(count: int, seed: int = 1) -> Report:
    """So many calls, `LANES` at once, over connections that end at random."""
    closer, failed, turns = Closer(random.Random(seed)), list[AttemptFailed](), iter(range(count))
    async with echo_provider_running(closer) as provider:
        writer = writer_at(provider.url)
        await asyncio.gather(*(_lane(writer, turns, failed) for _ in range(LANES)))
        await writer.close()
        return _report(count, failed, provider, closer)


async def _lane(writer: OpenAIWriter, turns: Iterator[int], failed: list[AttemptFailed]) -> None:
    loop = asyncio.get_running_loop()
    for _ in turns:  # which all lanes share
        try:
            found = await writer.write(work_for(), deadline=loop.time() + 30.0)
            assert found.text == TEXT
        except AttemptFailed as failure:
            failed.append(failure)


def _report(
    count: int, failed: list[AttemptFailed], provider: EchoProvider, closer: Closer
) -> Report:
    return Report(count - len(failed), failed, provider.requests, provider.accepted, closer.closed)


if __name__ == "__main__":
    told = asyncio.run(asks(int(sys.argv[1])))
    print(told)
    sys.exit(bool(told.failed))
