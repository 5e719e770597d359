"""A watchdog for a loop: how long it was held at once at worst, and by what.

A hold is the CPU time that the loop's own thread takes between two of its rounds, so that neither a
machine that does other things nor a thread that had its turn is taken for one. Where it came from
is told by a second thread, which looks at the loop's stack whenever a round has taken long. While C
code works that does not let go of the interpreter nobody can look: then the sample is of the line
that called it.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

LOOK = 0.001  # s between two looks of the second thread
ROUND = 0.0005  # s after which the loop is to have a round of its own
LATE = 0.003  # s in one round; from then on its stack is looked at
ROOT = str(Path(__file__).parents[2])
OURS = (f"{ROOT}/app/", f"{ROOT}/resolvers/")
IDLE = ("select", "_run_once", "run_forever", "run")  # where a stack says that nothing runs


@dataclass
class Hold:
    """The longest so far: seconds, those of them that collected garbage, and places seen in it."""

    seconds: float = 0.0
    places: Counter[str] = field(default_factory=Counter)
    garbage: float = 0.0

    @property
    def where(self) -> str:
        """The places that were seen most; empty when nobody could look."""
        found = [f"{n}x {place}" for place, n in self.places.most_common(3)]
        if self.garbage > self.seconds / 10:
            found.insert(0, f"{self.garbage * 1e3:.1f} ms of garbage")
        return "; ".join(found)


class Watchdog:
    """Watches the loop that runs `watch`; `longest` may be read and reset by any thread."""

    def __init__(self) -> None:
        self.longest = Hold()
        self._began = self._cpu = 0.0
        self._places: Counter[str] = Counter()
        self._garbage = self._collecting = 0.0
        self._thread = 0
        self._stop = threading.Event()

    def reset(self) -> None:
        self.longest = Hold()

    async def watch(self) -> None:
        """Until it is cancelled."""
        self._thread, loop = threading.get_ident(), asyncio.get_running_loop()
        self._began, self._cpu = time.perf_counter(), time.thread_time()
        gc.callbacks.append(self._collected)
        looker = threading.Thread(target=self._look, daemon=True, name="watchdog")
        looker.start()

        def tick() -> None:
            self._end_round()
            if not self._stop.is_set():
                loop.call_later(ROUND, tick)

        loop.call_soon(tick)
        try:
            await asyncio.Event().wait()
        finally:
            self._stop.set()
            gc.callbacks.remove(self._collected)

    def _end_round(self) -> None:
        now = time.thread_time()
        held, self._cpu = now - self._cpu, now
        if held > self.longest.seconds:
            self.longest = Hold(held, self._places, self._garbage)
        self._places, self._garbage = Counter(), 0.0
        self._began = time.perf_counter()

    def _collected(self, phase: str, _: object) -> None:
        """A collection holds the loop in whichever thread it is: it keeps the interpreter."""
        if phase == "start":
            self._collecting = time.thread_time()
            return
        took = time.thread_time() - self._collecting
        if threading.get_ident() == self._thread:
            self._garbage += took
        elif took > self.longest.seconds:
            self.longest = Hold(took, Counter({threading.current_thread().name: 1}), took)

    def _look(self) -> None:
        while not self._stop.wait(LOOK):
            if time.perf_counter() - self._began > LATE:
                frames = sys._current_frames()  # private: the only way to another thread's stack
                frame = frames.get(self._thread)
                if frame is not None and (place := _place(frame)):
                    self._places[place] += 1


def _place(frame: FrameType | None) -> str:
    """The innermost function of ours, and after it where the work was, when that is a library."""
    leaf = ""
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(OURS):
            found = f"{code.co_filename.removeprefix(ROOT + '/')}:{frame.f_lineno} {code.co_name}"
            return f"{found} > {leaf}" if leaf else found
        leaf = leaf or f"{Path(code.co_filename).name}:{frame.f_lineno} {code.co_name}"
        frame = frame.f_back
    return "" if leaf.endswith(IDLE) else leaf
