"""The options of `loregate write` follow from the operations' fields."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.cli_write import command, example, request_of
from app.operations import OPERATIONS
from app.terminal.kinds import Kind, find, kinds
from app.terminal.options import RequestOption, request_options

ALL = list(kinds().values())


def options_of(kind: Kind) -> list[RequestOption]:
    return request_options(kind.operation, kind.selector.name if kind.selector else None)


def parsed(kind: Kind, words: list[str]) -> dict[str, Any]:
    """The request that these words make."""
    context = command(kind).make_context(kind.name, words)
    return request_of(kind, options_of(kind), context.params)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_a_kinds_example_is_a_line_that_makes_the_operations_example(kind: Kind) -> None:
    line = shlex.split(example(kind, options_of(kind)))
    assert line[:3] == ["loregate", "write", kind.name]
    wanted = dict(kind.operation.example.request)
    if kind.value is not None and kind.selector is not None:
        wanted[kind.selector.name] = kind.value.value
    assert parsed(kind, line[3:]) == wanted


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_the_options_of_a_kind_have_names_of_their_own(kind: Kind) -> None:
    names = [option.name for option in options_of(kind)]
    assert len(names) == len(set(names))
    parameters = [option.parameter for option in options_of(kind)]
    assert len(parameters) == len(set(parameters))


def test_every_operation_and_each_kind_of_what_streams_has_a_command() -> None:
    assert {kind.operation.name for kind in ALL} == OPERATIONS.keys()
    for operation in OPERATIONS.values():
        found = [kind for kind in ALL if kind.operation is operation]
        selector = found[0].selector
        values = list(selector.kind) if selector and operation.streams else [None]
        assert [kind.value for kind in found] == values


def test_a_name_that_two_operations_share_is_understood_with_the_operations_alone() -> None:
    assert [kind.name for kind in find("quest")] == ["campaign-quest", "story-quest"]
    assert [kind.name for kind in find("story-scene")] == ["scene"]
    assert find("character-backstory") == find("backstory")
    assert find("poem") == []


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.name)
def test_the_help_of_a_kind_tells_each_option_and_an_example(kind: Kind) -> None:
    found = CliRunner().invoke(cli, ["write", kind.name, "--help"], terminal_width=200)
    said = " ".join(found.stdout.split())
    assert found.exit_code == 0
    assert kind.doc in said
    assert "Exit codes: 0 done" in said
    assert all(f" {option.name} " in said for option in options_of(kind))
    assert f"loregate write {kind.name} " in said


def test_options_go_over_a_file_with_a_request(tmp_path: Any) -> None:
    file = tmp_path / "request.json"
    file.write_text('{"character_context": {"alignment": "lawful good", "name": "Ilse"}}')
    [kind] = find("combat")
    words = ["--input", str(file), "--alignment", "neutral", "--set", "oath=none"]
    assert parsed(kind, words) == {
        "type": "combat",
        "character_context": {"alignment": "neutral", "name": "Ilse", "oath": "none"},
    }


def test_a_rule_is_written_with_colons_and_a_context_in_json() -> None:
    [kind] = find("validate")
    words = ["A text.", "--content-type", "story", "--rule", "quality:long:It has a scene's length"]
    made = parsed(kind, [*words, "--context", "level=5", "--context", "tavern=Knotted Rope"])
    rule = {"category": "quality", "name": "long", "description": "It has a scene's length"}
    assert made["rules"] == [rule]
    assert made["context"] == {"level": 5, "tavern": "Knotted Rope"}
