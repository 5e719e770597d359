"""A test that failed while the machine stood still is run again.

Time-outs are promises of the service, from the 50 ms in which Redis has to say something up, and on
a shared machine another process may hold both cores for as long. Whether it did is measured, not
guessed: a thread asks to be woken every 20 ms and notes how late it was. A failure without such a
pause stays one at once, and so does the third.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from _pytest.runner import runtestprotocol

from app.redis.client import BUDGET

TICK = 0.02  # s
PAUSE = 0.8 * BUDGET  # s late; the shortest time-out that there is
RUNS = 3


class Watch:
    """How late a thread was woken, at worst, since it was last asked; seconds."""

    def __init__(
        self,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.worst = 0.0
        self._now, self._sleep = now, sleep

    def tick(self) -> None:
        began = self._now()
        self._sleep(TICK)
        self.worst = max(self.worst, self._now() - began - TICK)

    def run(self) -> None:
        while True:
            self.tick()

    def taken(self) -> float:
        worst, self.worst = self.worst, 0.0
        return worst


watch = Watch()


def pytest_sessionstart() -> None:
    threading.Thread(target=watch.run, name="starvation", daemon=True).start()


def tries(run: Callable[[], bool], paused: Callable[[], float]) -> Iterator[float]:
    """Run until it passes, fails without a pause, or has failed `RUNS` times; yields each pause."""
    for attempt in range(1, RUNS + 1):
        paused()
        if run() or attempt == RUNS or (worst := paused()) < PAUSE:
            return
        yield worst


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    reports: list[pytest.TestReport] = []

    def run() -> bool:
        reports[:] = runtestprotocol(item, log=False, nextitem=nextitem)
        return not any(report.failed for report in reports)

    pauses = list(tries(run, watch.taken))
    for report in reports:
        for pause in pauses:
            said = f"{item.nodeid}: everything stood still for {pause:.2f} s"
            report.user_properties.append(("run again", said))
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was run again: from the reports, which come from other processes too."""
    found = {
        value
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == "run again"
    }
    for line in sorted(found):
        terminalreporter.write_line(f"run again: {line}")
