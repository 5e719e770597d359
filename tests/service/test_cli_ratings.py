"""`loregate ratings`: columns in a pipe, JSON for programs, and whom it is for."""

from __future__ import annotations

import json

from app.caller import PERMISSIONS
from tests.support.service import Service
from tests.support.terminal import at_terminal, beside, invoke


async def rated(loregate: Service, *scores: int) -> None:
    for score in scores:
        url = f"/api/v2/content/{(await loregate.generate())['contentId']}/rating"
        answer = await loregate.http.put(url, json={"score": score}, headers=loregate.headers())
        assert answer.status_code == 200


async def test_a_pipe_gets_a_line_for_each_group(loregate: Service) -> None:
    await rated(loregate, 3, 4)
    code, out, _ = await invoke("ratings", **beside(loregate))
    assert (code, out) == (0, "character\tstoryteller\t1\t-\t2\t3.50\t0 0 1 1 0\n")


async def test_a_terminal_gets_columns(loregate: Service) -> None:
    await rated(loregate, 5)
    async with at_terminal("ratings", **beside(loregate)) as terminal:
        assert await terminal.ended() == 0
    assert "character  storyteller  1  -  1  5.00  0 0 0 0 1" in terminal.shown


async def test_json_is_what_the_gateway_tells_of_that_time(loregate: Service) -> None:
    await rated(loregate, 5)
    asked = ("ratings", "--json", "--since", "2020-01-01", "--until", "2020-02-01")
    code, out, _ = await invoke(*asked, **beside(loregate))
    told = json.loads(out)
    assert (code, told["groups"], told["until"]) == (0, [], "2020-02-01T00:00:00+00:00")


async def test_who_is_no_admin_gets_exit_code_4(loregate: Service) -> None:
    others = [p for p in PERMISSIONS if p != "gateway:admin"]
    code, out, err = await invoke("ratings", **beside(loregate, permissions=others))
    assert (code, out) == (4, "")
    assert "gateway:admin" in err
