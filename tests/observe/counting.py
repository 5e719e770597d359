"""What a running service counted."""

from __future__ import annotations

import re

from tests.support.prometheus import nonzero, samples_now
from tests.support.service import Service
from tests.support.waiting import until

OPERATION = re.compile(r"operations_total\{edge=(\w+),operation=(\w+),outcome=(\w+)\}")


def operations(found: Service) -> dict[str, float]:
    """How many operations ended how, such as `{"rest npc ok": 1}`."""
    told = nonzero(samples_now(found.gateway.metrics))
    return {" ".join(m.groups()): n for k, n in told.items() if (m := OPERATION.fullmatch(k))}


async def settled(found: Service, count: int) -> None:
    """Returns when so many operations have ended."""
    await until(lambda: sum(operations(found).values()) >= count)
