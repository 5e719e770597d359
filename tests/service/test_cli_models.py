"""`loregate models`: what the table says, and what --check finds out of each model."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli
from app.settings import Settings
from tests.support.upstream import GOOD, Behaviour, Model, Upstream, refusal

FILE = """
[[models]]
name = "gpt-4-turbo"
url = "{url}"
provider = "openai"
upstream = "gpt-6.1-terra"
input_price = 1
output_price = 5
[[models]]
name = "odd"
url = "{url}"
upstream = "odd-1"
"""


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, provider: Upstream) -> CliRunner:
    """The command in an empty folder, with two models that can be called."""
    for field in Settings.model_fields.values():
        if field.alias:
            monkeypatch.delenv(field.alias, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loregate.toml").write_text(FILE.replace("{url}", provider.url))
    monkeypatch.setenv("LOREGATE_CONFIG", "loregate.toml")
    provider.models["odd-1"] = Model(anything=True, refuses=("temperature",))
    return CliRunner()


async def command(*words: str) -> tuple[int, list[str]]:
    """Beside the loop that the fake provider runs in."""
    found = await asyncio.to_thread(CliRunner().invoke, cli.cli, ["models", *words])
    return found.exit_code, found.output.splitlines()


@pytest.mark.usefixtures("run")
async def test_the_table_names_each_model_where_it_is_and_what_it_costs(provider: Upstream) -> None:
    code, lines = await command()
    rows = {line.split()[0]: line.split() for line in lines if line}
    assert code == 0
    assert rows["gpt-4-turbo"][1:4] == ["openai", "gpt-6.1-terra", "none"]
    assert rows["gpt-6-sol"][4:7] == ["2", "0.2", "10"]
    assert rows["gpt-6-sol"][-2:] == ["no", "OPENAI_API_KEY"]
    assert rows["odd"][1:4] == ["compatible", "odd-1", "-"]
    assert lines[-1] == "chain: gpt-4-turbo > gpt-3.5-turbo > storyteller"
    assert provider.requests == [], "the table asks nobody"


@pytest.mark.usefixtures("run")
async def test_a_check_asks_each_model_that_can_be_called_for_a_text_and_a_schema(
    provider: Upstream,
) -> None:
    verdict = Behaviour(text='{"useful": true, "reason": "It warns of dust."}')
    for upstream in ("gpt-6.1-terra", "odd-1"):
        provider.on(upstream).then(GOOD, verdict)
    code, lines = await command("--check")
    told = [line for line in lines if "first text after" in line]
    assert code == 0, lines
    assert [line.partition(": ")[0] for line in told] == [
        "gpt-4-turbo (openai gpt-6.1-terra) text",
        "gpt-4-turbo (openai gpt-6.1-terra) schema",
        "odd (compatible odd-1) text",
        "odd (compatible odd-1) schema",
    ]
    assert "$0.0003" in told[0]
    assert "does not take temperature" in told[2]
    assert "price unknown" in told[2]
    assert {r["model"] for r in provider.requests} == {"gpt-6.1-terra", "odd-1"}


@pytest.mark.usefixtures("run")
async def test_a_check_that_fails_says_how_and_ends_with_1(provider: Upstream) -> None:
    provider.on("gpt-6.1-terra").always = refusal(404, "model_not_found")
    provider.listed["gpt-6.1-terra"] = "2020-01-01"
    provider.on("odd-1").then(Behaviour(text=""), Behaviour(text="[1]"))
    code, lines = await command("--check")
    assert code == 1
    assert any("gpt-4-turbo" in line and "forbidden" in line for line in lines)
    assert any("odd" in line and "empty" in line for line in lines)
    assert any("odd" in line and "something else than was asked" in line for line in lines)


@pytest.mark.usefixtures("run")
async def test_json_tells_the_table_and_what_each_answered(provider: Upstream) -> None:
    verdict = Behaviour(text='{"useful": true, "reason": "It is dry."}')
    provider.on("gpt-6.1-terra").then(GOOD, verdict)
    provider.on("odd-1").always = refusal(401, "invalid_api_key")
    code, lines = await command("--json", "--check")
    told = json.loads("".join(lines))
    assert code == 1
    assert [m["name"] for m in told["models"] if not m["url"]][-1] == "gpt-6-sol"
    assert told["chain"] == ["gpt-4-turbo", "gpt-3.5-turbo", "storyteller"]
    assert [c["ok"] for c in told["checks"]] == [True, True, False, False]
