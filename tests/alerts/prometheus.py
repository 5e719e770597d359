"""Prometheus: Debian's, with the rules of deploy/ made quicker, and what it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.support.cli_process import free_port

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / ".prometheus" / "prometheus"
RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
CONFIG = ROOT / "deploy" / "prometheus" / "prometheus.yml"
FASTER = 15  # times; so 15 s between two scrapes are one
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LENGTH = re.compile(r"(?<=\[)(\d+)([smhdw])(?=\])|(?<=for: )(\d+)([smhdw])$", re.M)
START = 30.0  # s


def quicker(text: str) -> str:
    """The same rules, each range and each `for` a fifteenth as long; nothing else is changed."""

    def shorter(found: re.Match[str]) -> str:
        count, unit = (found[1], found[2]) if found[1] else (found[3], found[4])
        return f"{round(int(count) * UNITS[unit] * 1000 / FASTER)}ms"

    return LENGTH.sub(shorter, text)


def seconds(length: str) -> float:
    return int(length[:-1]) * UNITS[length[-1]]


class Prometheus:
    """One that runs. Its targets stand in a file, which it watches."""

    def __init__(self, folder: Path, http: aiohttp.ClientSession) -> None:
        self.folder, self._http, self.port = folder, http, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: asyncio.subprocess.Process | None = None

    def aim(self, addresses: Sequence[str]) -> None:
        """From now on it scrapes these."""
        path = self.folder / "targets.json"
        new = path.with_suffix(".new")
        new.write_text(json.dumps([{"targets": list(addresses)}]))
        new.replace(path)  # in one step: it is read whenever it changes

    def _configured(self) -> Path:
        config = yaml.safe_load(CONFIG.read_text())
        for name in ("scrape_interval", "evaluation_interval"):
            config["global"][name] = f"{round(seconds(config['global'][name]) / FASTER * 1000)}ms"
        [job] = config["scrape_configs"]
        del job["static_configs"]
        job["file_sd_configs"] = [{"files": ["targets.json"], "refresh_interval": "1s"}]
        job["scrape_timeout"] = "900ms"
        (self.folder / "alerts.yml").write_text(quicker(RULES.read_text()))
        path = self.folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config))
        return path

    async def start(self) -> None:
        with (self.folder / "prometheus.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                PROGRAM,
                f"--config.file={self._configured()}",
                f"--storage.tsdb.path={self.folder / 'series'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(START):
            while not await self._ready():
                await asyncio.sleep(0.1)

    async def _ready(self) -> bool:
        if self.process is None or self.process.returncode is not None:
            raise RuntimeError((self.folder / "prometheus.log").read_text()[-2000:])
        try:
            async with self._http.get(f"{self.url}/-/ready") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    async def ask(self, path: str, **asked: Any) -> Any:
        """The data of an answer of its API. Raises `RuntimeError` with what it says is wrong."""
        async with self._http.get(f"{self.url}/api/v1/{path}", params=asked) as response:
            answer = await response.json()
        if answer["status"] != "success":
            raise RuntimeError(answer["error"])
        return answer["data"]

    async def alerts(self) -> dict[str, list[dict[str, Any]]]:
        """What fires now, by its name."""
        found: dict[str, list[dict[str, Any]]] = {}
        for alert in (await self.ask("alerts"))["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found


@contextlib.asynccontextmanager
async def running(
    folder: Path, http: aiohttp.ClientSession, addresses: Sequence[str]
) -> AsyncIterator[Prometheus]:
    """It scrapes these until the block ends."""
    folder.mkdir()
    found = Prometheus(folder, http)
    found.aim(addresses)
    try:
        await found.start()
        yield found
    finally:
        await found.stop()
