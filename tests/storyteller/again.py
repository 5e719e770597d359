"""Again: what it costs that another text is another, and how often it fails.

`python -m tests.storyteller.again` asks the same request of each type 100 times, as one user would,
and prints how many texts were told for each answer, how many answers begin as one of the twelve
before them or have a person of one in common, with the ring and without it, and the CPU time of an
answer. `--count 50 --only story` does less.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from app.llm.completion import CompletionRequest
from app.storyteller.seeds import SEEDS
from app.storyteller.storyteller import Storyteller
from tests.support.varied_requests import VARIED, Varied

RING = 12  # pieces


@dataclass(slots=True)
class Again:
    """Of some answers to one request. told: texts for each; openings, people: the share that
    repeats one; ms: CPU time of each.
    """

    told: float = 0.0
    most: int = 0
    openings: float = 0.0
    people: float = 0.0
    ms: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.told:.2f} told, at most {self.most}; opening {self.openings:4.0%}, "
            f"people {self.people:4.0%}; {self.ms:.1f} ms"
        )


async def again(varied: Varied, count: int, *, ring: bool) -> Again:
    drawn = 0
    rng = Random(f"again {varied.name}")
    request = varied.operation.read(varied.request(rng) | {"model": {}})  # without its seed
    prompt = varied.operation.prompt(request)

    def draw() -> int:
        nonlocal drawn
        drawn += 1
        return rng.randrange(SEEDS)

    teller, found = Storyteller(draw=draw), Again()
    await teller.write(CompletionRequest(varied.operation, request, prompt))  # reads its grammars
    lately, drawn = deque[tuple[bytes, ...]](maxlen=RING), 0
    for _ in range(count):
        avoid = tuple(lately) if ring else ()
        before, began = drawn, time.process_time()
        done = await teller.write(
            CompletionRequest(varied.operation, request, prompt, lately=avoid)
        )
        found.ms += (time.process_time() - began) * 1000 / count
        found.most = max(found.most, drawn - before)
        found.openings += any(done.marks[1] in piece[1:] for piece in lately) / count
        found.people += any(set(done.marks[2:]) & set(piece[2:]) for piece in lately) / count
        lately.append(done.marks)
    found.told = drawn / count
    return found


async def measure(count: int, only: str, tell: Callable[[str], None]) -> None:
    for varied in VARIED:
        if varied.name.startswith(only):
            for ring in (False, True):
                found = await again(varied, count, ring=ring)
                tell(f"{varied.name:24} {'ring' if ring else 'none'}: {found}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--count", type=int, default=100)
    options.add_argument("--only", default="")
    given = options.parse_args()
    asyncio.run(measure(given.count, given.only, print))
