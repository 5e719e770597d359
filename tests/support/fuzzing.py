"""Fuzzing: how many cases there are, and what must hold of the service when they are over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Callable

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.support.service import Service, token
from tests.support.sockets import until_no_socket_is_left
from tests.support.waiting import until

CASES = int(os.environ.get("FUZZ_CASES", "0"))  # of each kind; 0: the few of `make test`
PATIENCE = 15.0  # s in which anything is answered, on a machine that does much besides
USERS = 40  # who ask by turns, so that none meets a limit at once
OURS_TO_ASK = "websockets.client"  # the logger of the tests' own sockets
# uvicorn says at ERROR, with a traceback, what a client did: nothing of ours has failed.
CLIENTS_FAULT = "Invalid UTF-8 sequence received from client."


class Faults(logging.Handler):
    """What was logged as an error, or with a traceback."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        bad = record.levelno >= logging.ERROR or record.exc_info or "unexpected error" in said
        if bad and said != CLIENTS_FAULT and record.name != OURS_TO_ASK:
            self.found.append(self.format(record))


def cases(few: int, parts: int = 1) -> int:
    """How many examples each of so many parts has."""
    return max(1, (CASES or few) // parts)


def examples(number: int) -> Callable[..., settings]:
    """Hypothesis's settings: the same examples in each `make test`, others in each `make fuzz`."""
    return settings(
        max_examples=number,
        derandomize=not CASES,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def user(number: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(f'user{number % USERS}', tier='service')}"}


users = st.integers(0, USERS - 1)
# Any JSON, small: what stands where something else is wanted.
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@contextlib.asynccontextmanager
async def unharmed(loregate: Service) -> AsyncIterator[None]:
    """Whatever happens in the block: no error is logged, nothing stays, and the service is well."""
    faults, before = Faults(), len(asyncio.all_tasks())
    logging.getLogger().addHandler(faults)
    try:
        yield
        await until_no_socket_is_left(loregate)
        await until(lambda: len(loregate.gateway.open_streams) == 0)
        await until(lambda: len(asyncio.all_tasks()) <= before)
        health = await loregate.http.get("/health")
        assert (health.status_code, health.json()["status"]) == (200, "healthy")
        assert await loregate.generate()
    finally:
        logging.getLogger().removeHandler(faults)
    assert faults.found == []
