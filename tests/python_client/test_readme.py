"""The blocks of loregate-client's README, run as they are pasted."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.support.cli_process import ROOT
from tests.support.event_streams import publish
from tests.support.service import Service, token
from tests.support.snippets import pasted
from tests.support.sockets import until_subscribed

CLIENT = ROOT / "clients" / "python"
WRITES, WATCHES = re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)


async def test_the_first_program_writes_and_streams(loregate: Service, tmp_path: Path) -> None:
    known = {"LOREGATE_URL": loregate.url, "TOKEN": token(), "PYTHONPATH": str(CLIENT / "src")}
    async with pasted([sys.executable, "-W", "error"], WRITES, tmp_path, **known) as program:
        assert await program.ended() == 0, program.err
    contents = await loregate.data(
        "{ contents { edges { node { ... on GeneratedContent { text } } } } }"
    )
    assert contents["contents"]["edges"][0]["node"]["text"] in program.out


async def test_the_second_program_watches(loregate: Service, tmp_path: Path) -> None:
    known = {"LOREGATE_URL": loregate.url, "TOKEN": token(), "PYTHONPATH": str(CLIENT / "src")}
    async with pasted([sys.executable, "-W", "error"], WATCHES, tmp_path, **known) as program:
        await until_subscribed(loregate)
        await publish(loregate, "something")
        await program.until("^something ")
