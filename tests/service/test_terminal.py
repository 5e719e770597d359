"""What the terminal's commands share: text on a screen, answers as text, commands on demand."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app.cli_limits import QUERY
from app.cli_write import command
from app.operations import OPERATIONS
from app.terminal import failure as exits
from app.terminal.commands import OnDemand
from app.terminal.failure import CommandFailed, refusal
from app.terminal.kinds import find
from app.terminal.outline import outline
from app.terminal.screen import WordWrap, columns

PAGE = (Path(__file__).parents[2] / "docs" / "terminal.md").read_text()
WORD = st.sampled_from(["a", "lamp", "harbour", "lighthouses", "漢字漢字", "", "\n"])
WORDS = st.lists(WORD, max_size=40).map(" ".join)


def wrapped(pieces: list[str], width: int = 24) -> str:
    wrap = WordWrap(width)
    return "".join(map(wrap.feed, pieces)) + wrap.end()


@given(st.lists(WORDS, max_size=6))
def test_text_in_pieces_is_wrapped_as_in_one(pieces: list[str]) -> None:
    assert wrapped(pieces) == wrapped(["".join(pieces)])


@given(WORDS)
def test_wrapping_keeps_every_word_and_no_line_is_too_wide_that_could_be_broken(text: str) -> None:
    found = wrapped([text])
    assert found.split() == text.split()
    for line in found.split("\n"):
        assert columns(line.strip(" ")) <= 24 or " " not in line.strip(" ")


def test_an_answer_is_shown_by_its_fields_names_without_what_is_only_for_programs() -> None:
    answer = {
        **OPERATIONS["npc"].example.answer,
        "content_id": "0198",
        "metadata": {"model_used": "x"},
        "secrets": [],
    }
    lines = [line for line, _ in outline(answer)]
    assert lines[0] == "Brannoch Vane"
    assert "Role: mentor" in lines
    assert lines[lines.index("Motivations") + 1].startswith("- To see the crown")
    assert lines[lines.index("Relationships") + 1] == "Ilse Vane: a sister"
    assert not {"Secrets", "Content id", "Metadata"} & set(lines)


def test_what_is_no_gateway_is_said_to_be_none() -> None:
    failure = refusal(200, ["hello"])
    assert (failure.code, failure.exit_code) == ("NO_ANSWER", 6)
    assert "no Loregate" in failure.message


def test_graphqls_errors_are_read_as_rests() -> None:
    error = {"message": "no", "extensions": {"code": "UNAUTHENTICATED", "reason": "expired"}}
    failure = refusal(401, {"errors": [error]})
    assert (failure.code, failure.exit_code, failure.message) == ("UNAUTHENTICATED", 4, "no")
    assert failure.details == {"reason": "expired"}


def test_every_error_says_what_to_do() -> None:
    failure = refusal(409, {"code": "IDEMPOTENCY_CONFLICT", "message": "used"})
    assert failure.exit_code == 2
    assert failure.remedy.startswith("Take a new key")
    assert CommandFailed("UNREACHABLE", "").remedy


def test_a_command_is_made_when_it_is_called_and_once() -> None:
    made: list[str] = []

    def make(name: str) -> str:
        if name == "nothing":
            raise KeyError(name)
        made.append(name)
        return name.upper()

    commands = OnDemand({"here": "HERE"}, ["later"], make)
    assert list(commands) == ["here", "later"]
    assert made == []
    assert [commands["later"], commands["later"], commands["alias"]] == ["LATER", "LATER", "ALIAS"]
    assert made == ["later", "alias"]
    assert commands.get("nothing") is None


def test_the_page_has_the_exit_codes_of_the_code() -> None:
    rows = re.findall(r"^\| (\d[\d, ]*?) *\| (.*) \|$", exits.__doc__ or "", re.M)
    assert len(rows) == 9
    assert re.findall(r"^\| (\d[\d, ]*?) *\| (.*) \|$", PAGE, re.M) == rows


def test_the_page_has_the_document_that_limits_sends() -> None:
    assert f"`{QUERY}`" in PAGE


def test_what_the_page_has_written_is_understood() -> None:
    lines = re.findall(r"loregate (write \w[^\n|]*)$", PAGE, re.M)
    assert len(lines) >= 5
    for line in lines:
        _, name, *words = shlex.split(line)
        [kind] = find(name)
        command(kind).make_context(name, words)
