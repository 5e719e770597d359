"""`loregate limits`: bars on a terminal, columns in a pipe, JSON for programs."""

from __future__ import annotations

import json

from tests.support.service import Service
from tests.support.terminal import at_terminal, beside, invoke


async def test_a_pipe_gets_columns_with_what_is_left_and_when_it_falls(loregate: Service) -> None:
    await loregate.generate()
    code, out, _ = await invoke("limits", **beside(loregate))
    rows = {scope: rest for scope, *rest in (line.split("\t") for line in out.splitlines())}
    assert code == 0
    assert rows["operation:theme_analysis"] == ["50", "50", "0"]
    remaining, limit, seconds = map(int, rows["operation:text_generation"])
    assert (remaining, limit) == (99, 100)
    assert 0 < seconds <= 61


async def test_json_is_what_the_gateway_tells(loregate: Service) -> None:
    code, out, _ = await invoke("limits", "--json", **beside(loregate, tier="pro"))
    told = json.loads(out)
    assert code == 0
    assert told["user"] == {"id": "alice", "tier": "pro"}
    scopes = {limit["scope"]: limit["limit"] for limit in told["limits"]}
    assert scopes["operation:text_generation"] == 500


async def test_a_terminal_shows_bars(loregate: Service) -> None:
    async with at_terminal("limits", LANG="C.UTF-8", **beside(loregate)) as terminal:
        assert await terminal.ended() == 0
    assert "█" * 24 in terminal.shown
    assert "alice, tier standard" in terminal.shown
