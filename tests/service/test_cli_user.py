"""`loregate user`: a user's data, told and erased beside a gateway that serves, or without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from tests.support import cli_process
from tests.support.cli_process import CliProcess
from tests.support.data_rights import files_hold, naming
from tests.support.rest_bodies import TEXT, changed

WORD = "kanarienvogel"


async def live(gateway: CliProcess, sub: str, directory: Path) -> str:
    """What the user made, under a key, and cached; its id."""
    claims = ("--sub", sub, "--permission", "*:*")
    code, token, said = await cli_process.run(directory, "token", *claims)
    assert code == 0, said
    headers = {
        "Authorization": f"Bearer {token.strip()}",
        "Cache-Control": "max-age=600",
        "Idempotency-Key": f"{sub}-key",
    }
    body: Any = changed(TEXT, character_context={"background": f"{sub} of Saltmere"})
    async with httpx2.AsyncClient(base_url=gateway.url, timeout=20) as http:
        answer = await http.post(TEXT, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["content_id"]
    return found


async def told(directory: Path, sub: str) -> list[dict[str, Any]]:
    code, out, said = await cli_process.run(directory, "user", "export", sub)
    assert code == 0, said
    return [orjson.loads(line) for line in out.splitlines()]


@pytest.mark.long  # processes that start, ten seconds of CPU
async def test_beside_a_gateway_that_serves_no_file_keeps_a_byte(tmp_path: Path) -> None:
    async with cli_process.serving(tmp_path, "dev") as gateway:
        made, other = await live(gateway, WORD, tmp_path), await live(gateway, "mira", tmp_path)
        code, _, said = await cli_process.run(tmp_path, "user", "export", WORD, "-o", "mine.jsonl")
        assert code == 0, said
        file = tmp_path / "mine.jsonl"
        lines = [orjson.loads(line) for line in file.read_bytes().splitlines()]
        assert file.stat().st_mode & 0o077 == 0
        assert [x["content_id"] for x in lines if x["kind"] == "content"] == [made]
        assert [x["key"] for x in lines if x["kind"] == "idempotency_key"] == [f"{WORD}-key"]
        file.unlink()
        code, out, said = await cli_process.run(tmp_path, "user", "erase", WORD, "--yes")
        assert code == 0, said
        assert "database\tcontents\t1" in out
        assert naming(files_hold(tmp_path), (WORD,)) == []
        assert [x["kind"] for x in await told(tmp_path, WORD)] == ["user", "end"]
        of_other = await told(tmp_path, "mira")
        assert [x["content_id"] for x in of_other if x["kind"] == "content"] == [other]


@pytest.mark.long  # processes that start, ten seconds of CPU
async def test_without_a_gateway_the_embedded_server_is_started_for_it(tmp_path: Path) -> None:
    async with cli_process.serving(tmp_path, "dev") as gateway:
        await live(gateway, WORD, tmp_path)
    assert naming(files_hold(tmp_path / ".loregate" / "valkey"), (WORD,))
    assert (await told(tmp_path, WORD))[-1]["counts"]["content"] == 1
    code, out, said = await cli_process.run(tmp_path, "user", "erase", WORD, "--yes", "--json")
    assert code == 0, said
    assert orjson.loads(out)["erased"]["database"]["contents"] == 1
    assert naming(files_hold(tmp_path / ".loregate"), (WORD,)) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("erase", "mira"), "Aborted"),  # nobody said yes
        (("erase", " ", "--yes"), "1 to 255 printable characters"),
        (("export", "mira", "-o", "/nowhere/mira"), "/nowhere/mira cannot be written"),
    ],
)
async def test_what_cannot_be_done_is_one_line_and_exit_code_1(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    given = {"DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'a.db'}"}
    assert (await cli_process.run(tmp_path, "migrate", **given))[0] == 0
    code, out, said = await cli_process.run(tmp_path, "user", *arguments, **given)
    assert (code, out.strip()) == (1, "")
    assert says in said
    assert "Traceback" not in said
