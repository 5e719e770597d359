"""What the terminal's commands share: text on a screen, answers as text, commands on demand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.operations import OPERATIONS
from app.terminal.commands import OnDemand
from app.terminal.failure import CommandFailed, refusal
from app.terminal.outline import outline
from app.terminal.screen import WordWrap, columns

WORDS = st.text(st.sampled_from("abc漢 \n"), max_size=200)


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
