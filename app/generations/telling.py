"""Telling: turns what a model writes into the deltas of a transcript, at most one in 20 ms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.generations.prose import ProseReader
from app.generations.transcript import Transcript

EVERY = 0.02  # s between deltas; the eye sees no difference, and events cost 1/4 at 5 ms a token
TICK = 0.001  # s; the loop's clock counts in these, so that a shorter wait is none


class Telling:
    """A listener for one generation's model; `changed` is called for each event that it adds."""

    def __init__(
        self,
        transcript: Transcript,
        changed: Callable[[Transcript], None],
        *,
        streams: bool,
        field: str | None,
    ) -> None:
        """`field` is where a JSON answer has its prose; without `streams` nothing is told."""
        self._transcript, self._changed = transcript, changed
        self._streams, self._field = streams, field
        self._reader = ProseReader(field)
        self._told: list[str] = []  # since the last reset
        self._pending: list[str] = []
        self._seq = 0
        self._attempt = 1
        self._loop = asyncio.get_running_loop()
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def heard(self, text: str) -> None:
        if not self._streams:
            return
        if prose := self._reader.feed(text):
            self._pending.append(prose)
            if self._timer is None:
                self._soon()

    def _soon(self) -> None:
        wait = self._last + EVERY - self._loop.time()
        if wait >= TICK:
            self._timer = self._loop.call_later(wait, self._flush)
        else:
            self._flush()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        text = "".join(self._pending)
        self._pending.clear()
        self._told.append(text)
        self._seq += 1
        self._last = self._loop.time()
        self._add({"type": "delta", "seq": self._seq, "text": text})

    def _add(self, event: dict[str, object]) -> None:
        self._transcript.append(event)
        self._changed(self._transcript)

    def forget(self, reason: str) -> None:
        """Another attempt begins; readers are told so where they have text of the last one."""
        self._attempt += 1
        self._drop()
        if self._told:
            self._told.clear()
            self._add({"type": "reset", "attempt": self._attempt, "reason": reason})

    def _drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pending.clear()
        self._reader = ProseReader(self._field)

    def whole(self, text: str) -> None:
        """The text as it is kept: what was told is made to be exactly that."""
        if not self._streams:
            return
        told = "".join(self._told)
        if not text.startswith(told):
            self.forget("corrected")
            told = ""
        self._drop()
        if rest := text[len(told) :]:
            self._pending.append(rest)
            self._flush()

    def close(self) -> None:
        """Nothing more is told, also when the model writes on for others."""
        self._streams = False
        self._told.clear()
        self._drop()
