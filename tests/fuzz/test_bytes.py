"""Raw bytes on the gateway's sockets: HTTP and WebSockets, cut, bent, doubled and mixed.

Whatever comes, a connection is answered or closed; there is no 5xx, no traceback in the log, and
memory is where it was.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.attacks import gateway as attacked
from tests.attacks.gateway import Gateway
from tests.support import byte_streams
from tests.support.byte_streams import Stream
from tests.support.fuzzing import cases

pytestmark = pytest.mark.long

FEW = 600
LOT = 500  # streams at a time
WARM = 0.3  # of the streams, after which memory must not grow with them
MEMORY = 12_000_000  # bytes that it may: tokens and documents are remembered, up to a bound
KINDS = {"HTTP": byte_streams.http_streams, "WebSocket": byte_streams.socket_streams}


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    with attacked.serving(tmp_path) as found:
        yield found


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_bytes_make_a_gateway_fail_or_hang_or_grow(
    gateway: Gateway, kind: Callable[[int], Iterator[Stream]]
) -> None:
    seed = random.randrange(2**32) if "FUZZ_CASES" in os.environ else 0
    number, source = cases(FEW), kind(seed)
    done, before = 0, 0
    while done < number:
        lot = list(itertools.islice(source, min(LOT, number - done)))
        wrong = asyncio.run(byte_streams.harmless(gateway.port, lot))
        assert wrong == [], f"seed {seed}, between {done} and {done + len(lot)}"
        assert attacked.faults(gateway.new_lines()) == [], f"seed {seed}, behind {done}"
        done += len(lot)
        if not before and done >= WARM * number:
            before = gateway.memory
    assert gateway.memory - before < MEMORY, f"seed {seed}"
