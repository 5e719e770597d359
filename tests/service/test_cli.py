"""The commands, run as a user runs them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import socket
import sys
from pathlib import Path
from typing import Any

import httpx2
import jwt
import orjson
import pytest
from websockets.asyncio.client import connect

from app import server
from app.cli import with_short_timeouts
from app.embedded import banner
from app.embedded.valkey import EmbeddedValkey
from app.fake_openai.faults import FAULTS
from app.settings import Settings
from tests.support import cli_process
from tests.support.service import CHARACTER, CHARACTER_INPUT, GENERATE, PROTOCOL, SECRET

EVENTS = "subscription ($after: String) { events(after: $after) { id type cursor contentId } }"


async def graphql(running: cli_process.CliProcess, query: str, variables: Any = None) -> Any:
    async with httpx2.AsyncClient(timeout=20) as http:
        response = await http.post(
            f"{running.url}/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {running.token}"},
        )
    assert "errors" not in response.json(), response.text
    return response.json()["data"]


async def write(running: cli_process.CliProcess) -> str:
    data = await graphql(running, GENERATE, {"input": CHARACTER_INPUT})
    found: str = data["generateCharacterContent"]["content"]["contentId"]
    return found


async def listen(running: cli_process.CliProcess, after: str | None, count: int) -> list[Any]:
    """So many events behind a cursor, by a plain `websockets` client."""
    url = running.url.replace("http", "ws") + "/graphql"
    found = []
    async with asyncio.timeout(20), connect(url, subprotocols=[PROTOCOL]) as ws:
        init = {"type": "connection_init", "payload": {"authorization": running.token}}
        await ws.send(json.dumps(init))
        await ws.recv()
        payload = {"query": EVENTS, "variables": {"after": after}}
        await ws.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
        while len(found) < count:
            message = orjson.loads(await ws.recv())
            if message["type"] == "ping":
                continue
            assert message["type"] == "next", message
            event = message["payload"]["data"]["events"]
            if event["id"] not in [e["id"] for e in found]:  # each comes at least once
                found.append(event)
    return found


async def test_what_dev_prints_works_when_it_is_pasted(tmp_path: Path) -> None:
    async with cli_process.serving(tmp_path, "dev") as running:
        said = running.said
        assert running.url in said
        pasted = re.findall(r"^curl .*?(?=\n\n)", said, re.M | re.S)
        assert len(pasted) == 2
        for request in pasted:
            shell = await asyncio.create_subprocess_exec(
                "sh",
                "-c",
                f"TOKEN={running.token}\n{request}",
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await shell.communicate()
            assert b'"storyteller"' in out, out
        # The socket's messages are JSON, once the shell has put the token in.
        messages = re.findall(r"'(\{\"type\":.*\})'(?: \\|; \\)$", said, re.M)
        start = (await graphql(running, "{ eventCursor }"))["eventCursor"]
        assert [json.loads(m.replace("'$TOKEN'", "t"))["type"] for m in messages] == [
            "connection_init",
            "subscribe",
        ]
        await write(running)
        assert (await listen(running, start, 1))[0]["type"] == "CONTENT_GENERATED"


def test_the_banner_names_the_pages_that_are_on_and_the_console_first() -> None:
    url = "http://127.0.0.1:8100"
    found = [line.split()[1] for line in banner.text(url, None).splitlines() if line[:2] == "  "]
    assert found == [f"{url}{path}" for path in ("/console", "/graphql", "/api/v2/docs", "/health")]
    without = banner.text(url, None, console=False, graphiql=False)
    assert "/console" not in without
    assert "GraphiQL" not in without
    assert f"{url}/graphql" in without


async def test_the_port_of_the_command_comes_before_the_variables(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        code, _, err = await cli_process.run(
            tmp_path, "dev", "--port", str(port), LOREGATE_PORT=str(cli_process.free_port())
        )
    assert code == 1
    assert f"127.0.0.1:{port} is in use" in err


async def test_dev_opens_its_address_in_a_browser_that_is_let_in(tmp_path: Path) -> None:
    """The browser is a script that fetches what it is given, as soon as it is told to."""
    opened, script = tmp_path / "opened", tmp_path / "browser"
    os.mkfifo(opened)
    fetch = "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).url)"
    script.write_text(f'#!/bin/sh\n{sys.executable} -c "{fetch}" "$1" > {opened}\n')
    script.chmod(0o700)
    async with cli_process.serving(tmp_path, "dev", "--open", BROWSER=f"{script} %s") as running:
        said = await asyncio.wait_for(asyncio.to_thread(opened.read_text), 40)
        assert said.strip() == f"{running.url}/console"


@pytest.mark.parametrize(
    ("host", "named"),
    [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]")],
)
def test_an_address_is_one_that_a_browser_can_open(host: str, named: str) -> None:
    with contextlib.closing(server.listen(Settings.load(host=host, port=0))) as listening:
        port = listening.getsockname()[1]
        assert server.address(listening) == f"http://{named}:{port}"


@pytest.mark.long
async def test_dev_with_faulty_models_says_so_and_names_each_fault_in_the_log(
    tmp_path: Path,
) -> None:
    name = "Vexis of the Hollow Reed"
    asked = {**CHARACTER, "character_context": {"name": name}}
    async with cli_process.serving(tmp_path, "dev", "--faulty") as running:
        assert "FAULTY ON PURPOSE" in running.said
        async with httpx2.AsyncClient(timeout=20) as http:
            for _ in range(6):
                response = await http.post(
                    f"{running.url}/api/v2/text/character",
                    json=asked,
                    headers={"Authorization": f"Bearer {running.token}"},
                )
                assert response.status_code == 200 or response.json()["code"], response.text
    lines = [json.loads(x) for x in running.said.splitlines() if x.startswith('{"')]
    served = [x["fault"] for x in lines if "fault" in x]
    assert served, "no model was asked"
    assert set(served) <= {"good", *FAULTS}
    assert name not in running.said


async def test_faulty_models_do_not_replace_a_provider_that_was_set(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/v1"
    code, _, err = await cli_process.run(tmp_path, "dev", "--faulty", OPENAI_BASE_URL=url)
    assert code == 1
    assert err.startswith("loregate: OPENAI_BASE_URL is set; unset it for `--faulty`")
    assert err.count("\n") == 1


@pytest.mark.parametrize("given", [{}, {"LOREGATE_MODEL_TIMEOUT": "7"}])
def test_faulty_models_get_little_time_unless_it_was_set(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    for variable in ("OPENAI_BASE_URL", "LOREGATE_MODEL_TIMEOUT"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in given.items():
        monkeypatch.setenv(variable, value)
    assert with_short_timeouts(Settings.load()).model_timeout == (7 if given else 4.5)


@pytest.mark.long
async def test_a_killed_gateway_loses_no_content_and_no_event(tmp_path: Path) -> None:
    async with cli_process.serving(tmp_path, "dev") as running:
        start = (await graphql(running, "{ eventCursor }"))["eventCursor"]
        before = [await write(running) for _ in range(3)]
        first, *_ = await listen(running, start, 1)
        await running.kill()
    async with cli_process.serving(tmp_path, "dev") as running:
        after = [await write(running) for _ in range(2)]
        events = await listen(running, first["cursor"], 4)
        assert [e["contentId"] for e in events] == before[1:] + after
        kept = await graphql(running, "{ contents { edges { node { contentId } } } }")
        ids = [e["node"]["contentId"] for e in kept["contents"]["edges"]]
        assert ids == [*reversed(before + after)]


@pytest.mark.long
async def test_a_development_token_outlives_a_restart(tmp_path: Path) -> None:
    async with cli_process.serving(tmp_path, "dev") as running:
        old = running.token
    async with cli_process.serving(tmp_path, "dev") as running, httpx2.AsyncClient() as http:
        headers = {"Authorization": f"Bearer {old}"}
        response = await http.post(
            f"{running.url}/api/v2/text/character", json=CHARACTER, headers=headers
        )
        assert response.status_code == 200


async def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = await cli_process.run(tmp_path, "dev", LOREGATE_PORT=str(port))
    assert code == 1
    assert err == f"loregate: LOREGATE_HOST and LOREGATE_PORT: 127.0.0.1:{port} is in use\n"


SERVE = {"LOREGATE_JWT_SECRET": SECRET, "REDIS_URL": "redis://127.0.0.1:1/0"}


CANARY = '[[canaries]]\nname = "a"\nshare = 0.1\noperation = "npc"\nprompt_version = 7\n'


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({}, "run `loregate migrate`"),
        ({"REDIS_URL": ""}, "REDIS_URL is needed"),
        pytest.param(
            {"REDIS_URL": "amqp://x"}, "REDIS_URL has the scheme 'amqp'", marks=pytest.mark.long
        ),
        pytest.param({"LOREGATE_PORT": "abc"}, "LOREGATE_PORT is 'abc'", marks=pytest.mark.long),
        ({"LOREGATE_JWT_SECRET": ""}, "Exactly one of"),
        ({"LOREGATE_JWT_SECRET": "short"}, "LOREGATE_JWT_SECRET"),
        (
            {"LOREGATE_JWT_SECRET": "", "LOREGATE_JWT_PUBLIC_KEY": "/nonexistent.pem"},
            "LOREGATE_JWT_PUBLIC_KEY",
        ),
        ({"DATABASE_URL": "mysql://x:y@z/w"}, "DATABASE_URL begins with mysql"),
        ({"LOREGATE_CONFIG": "config.toml"}, "[cache] names themes; it may name character"),
        (
            {"LOREGATE_CONFIG": "canary.toml"},
            "[[canaries]] a: prompt_version names 7; it may name 1",
        ),
        ({"LOREGATE_CONFIG": "nowhere.toml"}, "LOREGATE_CONFIG is 'nowhere.toml'"),
    ],
)
async def test_what_keeps_serve_from_starting_is_one_clear_line(
    tmp_path: Path, changed: dict[str, str], says: str
) -> None:
    (tmp_path / "config.toml").write_text("[cache]\nthemes = 60\n")
    (tmp_path / "canary.toml").write_text(CANARY)
    code, out, err = await cli_process.run(tmp_path, "serve", **(SERVE | changed))
    assert (code, out) == (1, "")
    assert says in err
    assert err.startswith("loregate: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err


async def test_serve_without_redis_says_so_and_takes_it_when_it_comes(tmp_path: Path) -> None:
    sock = tmp_path / "valkey" / "s.sock"
    given = {"LOREGATE_JWT_SECRET": SECRET, "REDIS_URL": f"unix://{sock}"}
    assert (await cli_process.run(tmp_path, "migrate", **given))[0] == 0
    async with cli_process.serving(tmp_path, "serve", **given) as running:
        assert "cannot be reached" in running.said
        unchecked = "LOREGATE_JWT_ISSUER and LOREGATE_JWT_AUDIENCE not set"
        assert running.said.count(unchecked) == 1
        assert str(sock) in running.said
        async with httpx2.AsyncClient() as http:
            health = (await http.get(f"{running.url}/health")).json()
            assert health["status"] == "degraded"
            assert health["components"]["message_hub"] == "unhealthy"
            server = await EmbeddedValkey.start(tmp_path / "valkey")
            try:
                assert server.url == f"unix://{sock}"
                async with asyncio.timeout(10):
                    while health["status"] != "healthy":
                        await asyncio.sleep(0.1)
                        health = (await http.get(f"{running.url}/health")).json()
            finally:
                server.stop()


@pytest.mark.long
async def test_several_workers_share_one_port(tmp_path: Path, redis_url: str) -> None:
    given = {"LOREGATE_JWT_SECRET": SECRET, "REDIS_URL": redis_url}
    assert (await cli_process.run(tmp_path, "migrate", **given))[0] == 0
    code, token, _ = await cli_process.run(
        tmp_path, "token", "--sub", "alice", "--permission", "text:generate", **given
    )
    assert code == 0
    async with cli_process.serving(tmp_path, "serve", "--workers", "2", **given) as running:
        headers = {"Authorization": f"Bearer {token.strip()}"}
        statuses = []
        for _ in range(101):  # each on a connection of its own, so that both workers get some
            async with httpx2.AsyncClient() as http:
                response = await http.post(
                    f"{running.url}/api/v2/text/character", json=CHARACTER, headers=headers
                )
                statuses.append(response.status_code)
        assert statuses == [200] * 100 + [429]


async def test_the_schema_is_held_to_the_code(tmp_path: Path) -> None:
    code, out, _ = await cli_process.run(tmp_path, "schema")
    assert code == 0
    assert (cli_process.ROOT / "schema.graphql").read_text() == out
    (tmp_path / "schema.graphql").write_text(out.replace("Story", "Tale"))
    code, _, err = await cli_process.run(tmp_path, "schema", "--check")
    assert code == 1
    assert "differs" in err


async def test_a_token_needs_something_to_sign_with(tmp_path: Path) -> None:
    code, _, err = await cli_process.run(tmp_path, "token", "--sub", "alice")
    assert code == 1
    assert "nothing to sign with" in err


async def test_a_token_as_json_tells_its_claims(tmp_path: Path) -> None:
    words = ("token", "--sub", "alice", "--permission", "text:generate", "--ttl", "60", "--json")
    code, out, _ = await cli_process.run(tmp_path, *words, LOREGATE_JWT_SECRET=SECRET)
    told = json.loads(out)
    assert code == 0
    assert jwt.decode(told["token"], SECRET, algorithms=["HS256"]) == told["claims"]
    assert told["claims"]["exp"] - told["claims"]["iat"] == 60
