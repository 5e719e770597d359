"""`loregate limits`: bars on a terminal, columns in a pipe, JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path

from app.settings import TrustedList
from tests.support import service
from tests.support.service import CHARACTER, Service
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


async def test_a_bad_token_is_exit_code_4(loregate: Service) -> None:
    code, out, err = await invoke("limits", LOREGATE_URL=loregate.url, LOREGATE_TOKEN="a.b.c")
    assert (code, out) == (4, "")
    assert "(UNAUTHENTICATED)" in err


async def test_where_only_listed_documents_run_it_says_so(tmp_path: Path, redis_url: str) -> None:
    listed = TrustedList("enforce", "redis")
    given = service.settings(tmp_path, redis_url).model_copy(update={"documents": listed})
    async with service.running(given) as gateway:
        start = gateway.parts.event_log.cursor(await gateway.parts.event_log.end([0]))
        code, _, err = await invoke("limits", **beside(gateway))
        assert code == 4
        assert "(DOCUMENT_NOT_TRUSTED)" in err
        assert (await gateway.post("/api/v2/text/character", CHARACTER)).status_code == 200
        code, out, _ = await invoke("events", "--after", start, **beside(gateway))
        assert (code, out.count("content.generated")) == (0, 1)
