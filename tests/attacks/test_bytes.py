"""A few hundred of the byte streams that `make fuzz` has ten thousand of."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.attacks.gateway import Gateway, faults
from tests.support import byte_streams
from tests.support.byte_streams import Stream

FEW = 250
KINDS = {"HTTP": byte_streams.http_streams, "WebSocket": byte_streams.socket_streams}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_bytes_make_the_gateway_fail_or_hang(
    gateway: Gateway, kind: Callable[[int], Iterator[Stream]]
) -> None:
    finished = (stream for stream in kind(0) if stream.finished)  # the others last ten seconds
    streams = list(itertools.islice(finished, FEW))
    gateway.new_lines()
    assert asyncio.run(byte_streams.harmless(gateway.port, streams)) == []
    assert faults(gateway.new_lines()) == []
