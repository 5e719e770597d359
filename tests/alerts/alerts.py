"""Alerts: every alert of deploy/prometheus fires by the cause that it is for, and ends with it.

    make alerts [ARGS="--only LoopLag,RedisAway"]

README.md tells what is done. Ends with 1 when an alert did not fire, did not end, or was in no
scene, or when a panel of the dashboard has nothing to show.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.alerts import panels, prometheus, stage
from tests.alerts.crowd import Crowd
from tests.alerts.prometheus import FASTER, RULES, Prometheus
from tests.alerts.scenes import SCENES, Scene
from tests.alerts.stage import Stage

FIRES = 150.0  # s from its cause until an alert must fire
ENDS = 240.0  # s from the mending until it must not any more
LOOK = 0.5  # s between two looks at what fires
WARM = 30.0  # s of usual traffic before the first scene


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="words in alerts' names; all by default")
    return parser.parse_args(given)


class Transcript:
    """Prints what happens, and keeps what went wrong."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.wrong: list[str] = []

    def say(self, what: str) -> None:
        print(f"{time.monotonic() - self._began:7.1f} s  {what}", flush=True)

    def fail(self, what: str) -> None:
        self.wrong.append(what)
        self.say(f"WRONG: {what}")


async def until(
    fires: Callable[[], Any], wanted: Callable[[Any], bool], longest: float
) -> tuple[Any, float]:
    """What fires when it is as wanted, or at the last, and how many seconds that took."""
    began = time.monotonic()
    while True:
        found = await fires()
        if wanted(found) or time.monotonic() - began > longest:
            return found, time.monotonic() - began
        await asyncio.sleep(LOOK)


class Play:
    """Plays scenes on one stage, before one Prometheus."""

    def __init__(self, at: Stage, crowd: Crowd, told: Transcript) -> None:
        assert at.prometheus
        self._stage, self._crowd, self._told = at, crowd, told
        self._prometheus: Prometheus = at.prometheus

    async def scene(self, scene: Scene) -> None:
        if scene is not SCENES[0]:  # whose cause is there from the beginning
            for name in scene.alerts:  # another scene may have made it fire, too
                await self._quiet(name)
        self._told.say(f"-- {scene.cause}")
        async with scene.act(self._stage, self._crowd):
            for name in scene.alerts:
                await self._fires(name)
        self._told.say("   mended")
        for name in scene.alerts:
            await self._ends(name)

    async def _fires(self, name: str) -> None:
        found, took = await until(self._prometheus.alerts, lambda f: name in f, FIRES)
        if name not in found:
            self._told.fail(f"{name} did not fire within {took:.0f} s")
            return
        alert = found[name][0]
        severity = alert["labels"]["severity"]
        self._told.say(f"   FIRING   {name} ({severity}): {alert['annotations']['summary']}")

    async def _quiet(self, name: str) -> tuple[Any, float]:
        return await until(self._prometheus.alerts, lambda f: name not in f, ENDS)

    async def _ends(self, name: str) -> None:
        found, took = await self._quiet(name)
        if name in found:
            self._told.fail(f"{name} still fires {took:.0f} s later")
        else:
            self._told.say(f"   resolved {name}")


async def look_at_panels(found: Prometheus, began: float, told: Transcript) -> None:
    told.say("-- what the dashboard asks, over the whole time")
    for title, expression in panels.questions():
        count = await panels.series(found, expression, began, time.time())
        if count:
            told.say(f"   {count:3} series  {title}")
        else:
            told.fail(f"the panel {title} has nothing to show: {expression}")


def unplayed() -> set[str]:
    """Alerts that no scene makes fire."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    there = {rule["alert"] for g in groups for rule in g["rules"] if "alert" in rule}
    return there - {name for scene in SCENES for name in scene.alerts}


def chosen(only: str) -> list[Scene]:
    words = [word for word in only.split(",") if word]
    named = [s for s in SCENES if any(word in name for word in words for name in s.alerts)]
    return named if words else list(SCENES)


async def play_all(at: Stage, only: str, told: Transcript) -> None:
    assert at.prometheus
    began, crowd = time.time(), Crowd(at)
    asking = asyncio.create_task(crowd.run(), name="crowd")
    try:
        await asyncio.sleep(WARM)
        play = Play(at, crowd, told)
        for scene in chosen(only):
            await play.scene(scene)
            if asking.done():
                asking.result()
        if not only:
            await look_at_panels(at.prometheus, began, told)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        for what, count in sorted(crowd.counts.items()):
            told.say(f"   {count:6}  {what}")


async def run(folder: Path, only: str, told: Transcript) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(connector=connector) as http,
        stage.running(folder, http) as at,
    ):
        told.say("two gateways, Valkey, PostgreSQL, a fake provider, and Debian's Prometheus")
        told.say(
            f"ranges and `for` of the rules are {FASTER} times shorter; no threshold is changed"
        )
        async with prometheus.running(folder / "prometheus", http, at.addresses) as found:
            at.prometheus = found
            await play_all(at, only, told)


def main() -> int:
    given, told = arguments(), Transcript()
    for name in sorted(unplayed()):
        told.fail(f"no scene makes {name} fire")
    folder = Path(tempfile.mkdtemp(prefix="loregate-alerts-", dir="/tmp"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # servers must not outlive it
    folder.chmod(0o755)  # PostgreSQL runs as another user than root
    try:
        asyncio.run(run(folder, given.only, told))
    finally:
        for log in folder.glob("gateway-*.log"):
            if told.wrong:
                print(f"{log}: {log.read_text()[-3000:]}")
        shutil.rmtree(folder, ignore_errors=True)
    told.say(f"{len(told.wrong)} wrong" if told.wrong else "every alert fired and ended")
    return 1 if told.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
