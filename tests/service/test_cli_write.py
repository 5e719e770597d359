"""`loregate write` as a real process, beside a real gateway, in pipes and at a terminal."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from tests.support import service
from tests.support.generation_clients import LONG, SLOW
from tests.support.service import Service
from tests.support.terminal import at_terminal, beside, invoke, piped, run, wired
from tests.support.upstream import Behaviour, Upstream
from tests.support.waiting import until

pytestmark = pytest.mark.long

WARLOCK = ("write", "backstory", "--class", "warlock", "--race", "tiefling")
ESCAPE = "\033"
LASTING = Behaviour(text=LONG, pace=0.3)  # longer than `until` waits, if nobody cancels it


def content_id(said: str) -> str:
    [found] = re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", said)
    return str(found)


async def kept(gateway: Service, said: str) -> dict[str, str]:
    found: dict[str, str] = (await gateway.get(f"/api/v2/content/{content_id(said)}")).json()
    return found


async def test_a_pipe_gets_the_text_as_it_is_kept_and_nothing_else(loregate: Service) -> None:
    code, out, err = await run(*WARLOCK, **beside(loregate))
    assert code == 0, err
    assert out == (await kept(loregate, err))["content"] + "\n"
    assert ESCAPE not in err
    assert "fallback: storyteller wrote this after gpt-4-turbo unconfigured" in err


async def test_a_terminal_shows_words_while_the_model_still_writes(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = SLOW
    async with at_terminal(*WARLOCK, columns=60, **beside(with_models)) as terminal:
        await terminal.until(lambda shown: "word3" in shown)
        assert with_models.gateway.generations.running == 1
        assert await terminal.ended() == 0
    text = terminal.shown.partition(ESCAPE)[0]
    assert text.split() == LONG.split()
    assert max(map(len, text.splitlines())) <= 60
    assert f"{ESCAPE}[2mgpt-4-turbo" in terminal.shown  # who wrote it, dimmed


async def test_no_color_is_honoured_and_no_text_moves_the_cursor(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = Behaviour(text=f"A red {ESCAPE}[31mword{ESCAPE}]0;title\007 and\x9b2J more")
    async with at_terminal(*WARLOCK, NO_COLOR="1", **beside(with_models)) as terminal:
        assert await terminal.ended() == 0
    assert "A red [31mword]0;title and2J more\n" in terminal.shown
    assert ESCAPE not in terminal.shown


async def test_what_a_failed_attempt_wrote_stays_out_of_a_pipe_and_is_told(
    with_models: Service, provider: Upstream
) -> None:
    provider.on("gpt-6.1-terra").always = Behaviour(text=LONG, pace=0.01, cut_after=30)
    provider.on("gpt-6-luna").always = Behaviour(text="The whole of it.")
    code, out, err = await run(*WARLOCK, **beside(with_models))
    assert (code, out) == (0, "The whole of it.\n")
    assert re.search(r"^reset \(\w+\): attempt \d begins anew$", err, re.M), err
    assert "fallback: gpt-3.5-turbo wrote this after gpt-4-turbo cut" in err


async def test_ctrl_c_cancels_the_generation_at_the_gateway(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = LASTING
    async with at_terminal(*WARLOCK, **beside(with_models)) as terminal:
        await terminal.until(lambda shown: "word3" in shown)
        terminal.type(b"\x03")
        assert await terminal.ended() == 130
    await until(lambda: provider.aborted)
    assert "Traceback" not in terminal.shown


async def test_ctrl_c_cancels_what_comes_as_a_whole_too(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = LASTING
    async with at_terminal("write", "npc", "mentor", **beside(with_models)) as terminal:
        await until(lambda: provider.requests)
        terminal.type(b"\x03")
        assert await terminal.ended() == 130
    await until(lambda: provider.aborted)


async def test_a_reader_who_leaves_ends_the_generation(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = LASTING
    async with piped(*WARLOCK, "--stream", **beside(with_models)) as command:
        assert command.process.stdout is not None
        await command.process.stdout.read(5)
        command.process.stdout._transport.close()  # type: ignore[attr-defined]  # private: a stream of a process has no close
        async with asyncio.timeout(20):
            assert await command.process.wait() == 141
    await until(lambda: provider.aborted)


async def test_json_is_the_whole_answer_as_rest_gives_it(loregate: Service) -> None:
    code, out, err = await invoke("write", "npc", "mentor", "--json", **beside(loregate))
    assert (code, out.count("\n")) == (0, 1), err
    assert json.loads(out) == await kept(loregate, json.loads(out)["content_id"])


async def test_streamed_json_is_an_event_a_line(loregate: Service) -> None:
    code, out, _ = await invoke("write", "scene", "--json", "--stream", **beside(loregate))
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [events[0]["type"], events[-1]["type"]] == ["started", "completed"]
    assert all(event["cursor"] for event in events)
    told = "".join(event["text"] for event in events if event["type"] == "delta")
    assert told == (await kept(loregate, events[-1]["content_id"]))["content"]


async def test_a_wire_that_is_cut_costs_no_word_and_no_second_generation(
    with_models: Service, provider: Upstream
) -> None:
    provider.always = Behaviour(text=LONG, pace=0.03)
    async with wired(with_models) as (wire, url):
        given = {**beside(with_models), "LOREGATE_URL": url}
        async with piped(*WARLOCK, "--stream", **given) as command:
            assert command.process.stdout is not None
            first = await command.process.stdout.read(20)
            wire.cut()
            code, rest, err = await command.ended()
    assert (code, first.decode() + rest) == (0, LONG + "\n")
    assert "the connection is lost" in err
    assert provider.calls.total() == 1
    assert wire.opened > 1


@pytest.mark.parametrize(
    ("words", "exit_code", "says"),
    [
        ("backstory", 3, "(UNREACHABLE) Start one with `loregate dev`"),
        ("location tavern", 2, "--size: Field required"),
        ("backstory --set x", 2, "--set: KEY=VALUE is wanted"),
        ("quest", 2, "campaign-quest or story-quest"),
        ("npc bard", 2, "ROLE"),
        ("backstory --level 21", 2, "--level"),
    ],
)
def test_what_needs_no_gateway_to_fail_is_read_aloud_with_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, words: str, exit_code: int, says: str
) -> None:
    monkeypatch.setenv("LOREGATE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LOREGATE_TOKEN", "none")
    found = CliRunner().invoke(cli, ["write", *words.split()])
    assert (found.exit_code, found.stdout) == (exit_code, "")
    assert says in " ".join(found.stderr.split())


@pytest.mark.parametrize(
    ("words", "changed", "exit_code", "says"),
    [
        (("backstory",), {"LOREGATE_TOKEN": "a.b.c"}, 4, "Put a token into LOREGATE_TOKEN"),
        (("backstory", "--model", "gpt-9"), {}, 2, "--model: "),
    ],
)
async def test_what_the_gateway_refuses_is_read_aloud_with_its_exit_code(
    loregate: Service, words: tuple[str, ...], changed: dict[str, str], exit_code: int, says: str
) -> None:
    code, out, err = await invoke("write", *words, **{**beside(loregate), **changed})
    assert (code, out) == (exit_code, "")
    assert says in err
    assert "Traceback" not in err


async def test_a_full_limit_is_exit_code_5_and_as_json_an_object(
    tmp_path: Path, redis_url: str
) -> None:
    async with service.running_with_limits(tmp_path, redis_url, user=1) as gateway:
        assert (await gateway.get("/api/v2/content/x")).status_code == 404
        code, out, err = await invoke("write", "combat", "--json", **beside(gateway))
    assert (code, out) == (5, "")
    error = json.loads(err)["error"]
    assert (error["code"], error["details"]["scope"]) == ("RATE_LIMIT_EXCEEDED", "user")
    assert "Wait for" in error["remedy"]


async def test_a_text_is_read_from_a_file_and_a_failed_rule_is_exit_code_1(
    loregate: Service, tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("The lamps of Saltmere went out.\n")
    rule = '{"category": "quality", "name": "long", "parameters": {"min_words": 200}}'
    words = ("write", "validate", "--file", str(text), "--content-type", "story", "--rule", rule)
    code, out, _ = await invoke(*words, **beside(loregate))
    assert code == 1
    assert "Passed: no" in out


async def test_without_a_text_standard_input_is_read(loregate: Service) -> None:
    given = beside(loregate)
    text = "Horror crept under the ice, and dread came with it."
    code, out, _ = await invoke("write", "analyze", "--element", "tone", text=text, **given)
    assert code == 0
    assert "Primary category: horror" in out
