"""DeltaWriter: turns what a model writes into the deltas of a transcript, at most one in 20 ms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from app.generations.prose import ProseReader
from app.generations.transcript import Transcript

# s between deltas; the eye sees no difference, and events cost 1/4 at 5 ms a token.
DELTA_INTERVAL = 0.02
CLOCK_TICK = 0.001  # s; the loop's clock counts in these, so that a shorter wait is none


class DeltaWriter:
    """A listener for one generation's model; `changed` is called for each event that it adds."""

    def __init__(
        self,
        transcript: Transcript,
        changed: Callable[[Transcript], None],
        *,
        streams: bool,
        field: str | None,
    ) -> None:
        """`field` is where a JSON answer has its prose; without `streams` there are no deltas."""
        self._transcript, self._changed = transcript, changed
        self._streams, self._field = streams, field
        self._reader = ProseReader(field)
        self._sent: list[str] = []  # since the last reset
        self._pending: list[str] = []
        self._seq = 0
        self._attempt = 1
        self._loop = asyncio.get_running_loop()
        self._last = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def on_text(self, text: str) -> None:
        if not self._streams:
            return
        if prose := self._reader.feed(text):
            self._pending.append(prose)
            if self._timer is None:
                self._soon()

    def _soon(self) -> None:
        wait = self._last + DELTA_INTERVAL - self._loop.time()
        if wait >= CLOCK_TICK:
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
        self._sent.append(text)
        self._seq += 1
        self._last = self._loop.time()
        self._add({"type": "delta", "seq": self._seq, "text": text})

    def _add(self, event: dict[str, object]) -> None:
        self._transcript.append(event)
        self._changed(self._transcript)

    def on_reset(self, reason: str) -> None:
        """Another attempt begins; readers are told so where they have text of the last one."""
        self._attempt += 1
        self._drop()
        if self._sent:
            self._sent.clear()
            self._add({"type": "reset", "attempt": self._attempt, "reason": reason})

    def _drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._pending.clear()
        self._reader = ProseReader(self._field)

    def complete(self, text: str) -> None:
        """The text as it is kept: the deltas are made to add up to exactly that."""
        if not self._streams:
            return
        sent = "".join(self._sent)
        if not text.startswith(sent):
            self.on_reset("corrected")
            sent = ""
        self._drop()
        if rest := text[len(sent) :]:
            self._pending.append(rest)
            self._flush()

    def close(self) -> None:
        """No more deltas, also when the model writes on for others."""
        self._streams = False
        self._sent.clear()
        self._drop()
