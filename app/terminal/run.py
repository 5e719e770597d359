"""Runs a command's work to its exit code, whatever ends it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from typing import Any, NoReturn

import typer

from app.terminal.failure import PIPE_CLOSED, CommandFailed
from app.terminal.screen import Screen

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(screen: Screen, work: Coroutine[Any, Any, int]) -> NoReturn:
    """Raises `typer.Exit` with the work's exit code. A signal cancels the work, whose clean-up may
    take its time; a second one ends that as well."""
    try:
        code = asyncio.run(_until_signal(work))
    except CommandFailed as failure:
        screen.fail(failure)
        code = failure.exit_code
    except BrokenPipeError:
        # Nobody reads; what Python would flush at its end goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = PIPE_CLOSED
    raise typer.Exit(code)


async def _until_signal(work: Coroutine[Any, Any, int]) -> int:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    caught: list[int] = []

    def cancel(number: int) -> None:
        caught.append(number)
        if task is not None:
            task.cancel()

    if threading.current_thread() is threading.main_thread():  # no other one hears signals
        for number in SIGNALS:
            loop.add_signal_handler(number, cancel, number)
    try:
        return await work
    except asyncio.CancelledError:
        if not caught:
            raise
        return 128 + caught[0]
