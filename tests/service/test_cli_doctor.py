"""`loregate doctor`: what it finds well, what broken, within its time, and without secrets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.doctor.examination import examine
from app.doctor.finding import Case, Finding, bounded, scrubbed
from app.embedded.valkey import EmbeddedValkey
from app.fake_openai.catalogue import listing
from app.llm.retirement import today
from app.settings import Settings
from app.storage.migrate import migrate
from tests.support.cli_process import free_port
from tests.support.service import SECRET, Service, token
from tests.support.terminal import invoke
from tests.support.upstream import Behaviour, Upstream

PASSWORD = "geheim-7391"


@pytest.fixture(autouse=True)
def empty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """An empty folder, and no variable of ours but a free port."""
    names = [str(field.alias) for field in Settings.model_fields.values() if field.alias]
    for name in (*names, "LOREGATE_URL", "LOREGATE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOREGATE_PORT", str(free_port()))
    return monkeypatch


def given(patch: pytest.MonkeyPatch, **variables: Any) -> None:
    for name, value in variables.items():
        patch.setenv(name, str(value))


async def found(*, serve: bool = False) -> dict[str, list[Finding]]:
    """The findings by their names."""
    by_name: dict[str, list[Finding]] = {}
    for finding in await examine(serve=serve):
        by_name.setdefault(finding.name, []).append(finding)
    return by_name


async def test_a_fresh_folder_has_all_that_dev_needs() -> None:
    states = {finding.state for finding in await examine(serve=False)}
    assert states == {"ok", "warning"}  # no key for a model: the storyteller answers
    assert list(Path().iterdir()) == [], "nothing is made by looking"


async def test_production_that_serves_is_well(
    empty: pytest.MonkeyPatch, loregate: Service, redis_url: str, tmp_path: Path
) -> None:
    database = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    given(empty, LOREGATE_JWT_SECRET=SECRET, REDIS_URL=redis_url, DATABASE_URL=database)
    given(empty, LOREGATE_URL=loregate.url, LOREGATE_TOKEN=token())
    told = await found(serve=True)
    assert {f.state for n, some in told.items() if n != "models" for f in some} == {"ok"}
    assert "Valkey 9" in told["redis"][0].said
    assert "is healthy" in told["gateway"][0].said
    assert {f.said.partition(" ")[2] for f in told["clock"]} >= {"s ahead of Redis"} or told[
        "clock"
    ]


async def test_what_is_broken_is_a_failure_with_a_fix_and_tells_no_password(
    empty: pytest.MonkeyPatch,
) -> None:
    given(
        empty,
        REDIS_URL=f"redis://user:{PASSWORD}@127.0.0.1:1/0",
        DATABASE_URL=f"postgresql+asyncpg://user:{PASSWORD}@127.0.0.1:1/x",
        LOREGATE_URL="http://127.0.0.1:1",
        LOREGATE_TOKEN=token(exp=1),
        LOREGATE_JWT_SECRET="short",
        LOREGATE_WROKERS="2",
    )
    code, out, err = await invoke("doctor", "--serve", "--json")
    findings = json.loads(out)["findings"]
    failed = {f["name"] for f in findings if f["state"] == "failure"}
    assert code == 1
    assert failed == {"keys", "token", "redis", "database", "gateway"}
    assert all(f["fix"] for f in findings if f["state"] != "ok")
    assert "LOREGATE_WROKERS is no setting" in out
    assert PASSWORD not in out + err


@pytest.mark.parametrize("shown", ["p%40ss", "p@ss"])
def test_a_librarys_words_lose_the_password_of_their_url(shown: str) -> None:
    url = "redis+cluster://user:p%40ss@a:1,b:2/0"
    assert scrubbed(f"cannot log in with {shown} at a", url) == "cannot log in with *** at a"


async def test_a_wrong_setting_is_named(empty: pytest.MonkeyPatch) -> None:
    given(empty, LOREGATE_PORT="abc")
    code, out, _ = await invoke("doctor")
    assert code == 1
    assert "failure  settings  LOREGATE_PORT is 'abc'" in out


async def test_a_silent_redis_and_a_silent_gateway_are_failures_each(
    empty: pytest.MonkeyPatch, own_valkey: EmbeddedValkey
) -> None:
    os.kill(own_valkey.pid, signal.SIGSTOP)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        given(empty, REDIS_URL=own_valkey.url)
        given(empty, LOREGATE_URL=f"http://127.0.0.1:{silent.getsockname()[1]}")
        told = await found()
    assert told["redis"][0].state == told["gateway"][0].state == "failure"
    assert "no answer within a second" in told["redis"][0].said
    assert [f.state for f in told["clock"]] == ["ok"], "the others say that they are away"


async def test_a_check_that_never_ends_ends_after_two_seconds_with_what_it_had_found() -> None:
    async def endless(case: Case) -> AsyncIterator[Finding]:
        yield Finding("x", "ok", "begun")
        await asyncio.Event().wait()

    async with asyncio.timeout(10):
        begun, late = await bounded("x", endless, Case(Settings(), serve=False))
    assert (begun.said, late.state, late.said) == ("begun", "failure", "no answer within 2 s")


async def test_a_database_of_an_older_version_is_to_be_migrated(
    empty: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "old.db"
    path.touch()
    given(empty, DATABASE_URL=f"sqlite+aiosqlite:///{path}")
    [finding] = (await found(serve=True))["database"]
    assert (finding.state, finding.fix) == ("failure", "run `loregate migrate`")
    await asyncio.to_thread(migrate, f"sqlite+aiosqlite:///{path}")
    assert (await found(serve=True))["database"][0].state == "ok"


@pytest.mark.parametrize(
    ("days", "state", "says"),
    [(-1, "failure", "is gone"), (30, "warning", "will be shut down"), (300, None, "")],
)
async def test_a_model_that_its_provider_retires_is_told(
    empty: pytest.MonkeyPatch, provider: Upstream, days: int, state: str | None, says: str
) -> None:
    day = (today() + timedelta(days=days)).isoformat()
    provider.lists.always = Behaviour(body=listing({"gpt-6.1-terra": day, "gpt-6-luna": None}))
    given(empty, OPENAI_BASE_URL=provider.url, OPENAI_API_KEY="k")
    told = [f for f in (await found())["models"] if f.state != "ok"]
    assert [f.state for f in told] == ([state] if state else [])
    assert all("gpt-4-turbo (gpt-6.1-terra)" in f.said and says in f.said for f in told)
    assert provider.requests == [], "nothing is asked that costs"


async def test_models_are_asked_for_words_only_when_it_is_wished(
    empty: pytest.MonkeyPatch, provider: Upstream
) -> None:
    given(empty, OPENAI_BASE_URL=provider.url, OPENAI_API_KEY="k")
    provider.always = Behaviour(text='{"useful": true, "reason": "It is dry."}')
    code, out, _ = await invoke("doctor", "--ask")
    assert code == 0
    assert out.count("first text after") == len(provider.requests) > 0


async def test_a_port_that_somebody_else_has_is_a_failure(empty: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        given(empty, LOREGATE_PORT=taken.getsockname()[1])
        [finding] = (await found())["port"]
    assert finding.state == "failure"
    assert "is in use" in finding.said


async def test_secrets_that_others_can_read_are_told(tmp_path: Path) -> None:
    directory = tmp_path / ".loregate"
    directory.mkdir(mode=0o700)
    (directory / "jwt-secret").write_text("x" * 48)
    (directory / "jwt-secret").chmod(0o644)
    [finding] = (await found())["data"]
    assert (finding.state, finding.fix) == ("warning", "chmod go= .loregate/jwt-secret")
