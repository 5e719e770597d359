"""The server's own needs of the system."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvloop

from app.server import allow_files, listen
from tests.support.service import settings


@pytest.fixture
def files() -> Iterator[tuple[int, int]]:
    """A process that may have 256 files open by itself, and more if it asks for them."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield 256, before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_as_many_files_are_allowed_as_connections_need(files: tuple[int, int]) -> None:
    allow_files(1000)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1000, files[1])
    allow_files(500)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1000, files[1]), "never fewer"


def test_what_the_system_does_not_give_is_said(
    files: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        allow_files(files[1] + 1)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (files[1], files[1])
    assert f"may need {files[1] + 1}" in caplog.text


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_no_answer_waits_for_the_acknowledgement_of_the_one_before(
    tmp_path: Path, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """TCP_NODELAY (RFC 9293, 3.7.4): Nagle's algorithm would hold a body back for 40 ms."""

    async def nodelay() -> int:
        listening = listen(settings(tmp_path, "redis://nowhere"))
        accepted: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.put_nowait(writer)

        async with await asyncio.start_server(connected, sock=listening):
            _, ours = await asyncio.open_connection(*listening.getsockname())
            theirs = await accepted.get()
            found: int = theirs.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY
            )
            for writer in (ours, theirs):
                writer.close()
                await writer.wait_closed()
            return found

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert runner.run(nodelay())
