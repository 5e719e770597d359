"""Another text is another: seeds are drawn until one tells what the user did not get lately."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any

import pytest

from app.llm.completion import MARK_BYTES, MAX_MARKS, Completion, CompletionRequest, Usage
from app.storyteller.marks import Marks
from app.storyteller.packs import Packs
from app.storyteller.seeds import MAX_DRAWS, SEEDS, Draws
from app.storyteller.storyteller import Storyteller
from tests.storyteller.variety import OPENING, WORD, masked, prose
from tests.support.operations import CHARACTER, ITEM, LOCATION

RING = 12
ASKED: dict[str, tuple[Any, dict[str, Any]]] = {
    "character": (CHARACTER, {"type": "backstory", "character_context": {"race": "human"}}),
    "location": (LOCATION, {"location_type": "tavern", "context": {}, "size": "", "purpose": ""}),
    "item": (ITEM, {"kind": "ring", "context": {}}),
}
REQUEST, OPENED, ILSE, MENTOR, FOE = b"rrrr", b"oooo", b"iiii", b"mmmm", b"ffff"
MARKS = Marks(Packs())


def told(*marks: bytes, text: str = "") -> Completion:
    return Completion(text, Usage(), marks=(REQUEST, *marks))


def drawn(lately: list[tuple[bytes, ...]], *texts: Completion) -> tuple[Completion, int]:
    """Which of these is taken, in the order in which they are told, and how many are."""
    draws = Draws(lately)
    count = next(n for n, each in enumerate(texts, 1) if draws.settled(each))
    return draws.best, count


async def twenty(operation: Any, raw: dict[str, Any], *, ring: int) -> list[str]:
    rng, lately = Random(7), deque[tuple[bytes, ...]](maxlen=ring)
    teller = Storyteller(draw=lambda: rng.randrange(SEEDS))
    request, found = operation.read(raw), []
    for _ in range(20):
        work = CompletionRequest(
            operation, request, operation.prompt(request), lately=tuple(lately)
        )
        done = await teller.write(work)
        lately.append(done.marks)
        found.append(done.text)
    return found


def opening(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(masked(prose(text)))[:OPENING])


def repeats(found: list[set[Any]]) -> list[Any]:
    """What stands in a piece and in one of the twelve before it."""
    return [
        met
        for at, own in enumerate(found)
        for met in own & set[Any]().union(*found[max(0, at - RING) : at])
    ]


@pytest.mark.parametrize("name", ASKED)
async def test_of_twenty_texts_none_begins_as_one_of_the_twelve_before_it(name: str) -> None:
    operation, raw = ASKED[name]
    found = [{opening(text)} for text in await twenty(operation, raw, ring=RING)]
    assert repeats(found) == []


@pytest.mark.parametrize("name", ASKED)
async def test_of_twenty_texts_none_names_a_person_of_the_twelve_before_it(name: str) -> None:
    operation, raw = ASKED[name]
    texts = await twenty(operation, raw, ring=RING)
    assert repeats([set(MARKS.people(text)) for text in texts]) == []


async def test_without_a_ring_some_of_them_are_met_twice() -> None:
    """Else the two tests above would hold of themselves."""
    found = {name: await twenty(*ASKED[name], ring=0) for name in ASKED}
    assert any(repeats([set(MARKS.people(text)) for text in some]) for some in found.values())


def test_the_first_text_that_repeats_nothing_is_taken() -> None:
    lately = [(REQUEST, OPENED, FOE)]
    best, count = drawn(lately, told(OPENED, ILSE), told(b"1111", FOE), told(b"2222", MENTOR))
    assert (best.marks[1], count) == (b"2222", 3)


def test_where_all_repeat_something_the_one_is_taken_that_repeats_least() -> None:
    lately = [(REQUEST, OPENED, FOE, ILSE)]
    texts = [told(bytes([n] * 4), FOE, ILSE) for n in range(MAX_DRAWS)]
    texts[1], texts[3], texts[5] = told(OPENED), told(b"3333", FOE), told(OPENED, FOE)
    best, count = drawn(lately, *texts)
    assert (best.marks, count) == ((REQUEST, b"3333", FOE), MAX_DRAWS)  # an opening weighs most


def test_with_nothing_to_avoid_one_text_is_told() -> None:
    assert drawn([], told(OPENED, FOE))[1] == 1
    assert drawn([(b"else", b"1111", ILSE)], told(OPENED, FOE))[1] == 1
    judged = Completion("{}", Usage())
    assert drawn([(REQUEST, OPENED)], judged) == (judged, 1)


def test_a_mentor_who_comes_with_the_hero_is_not_avoided_by_telling_more() -> None:
    once = [(REQUEST, b"0000", MENTOR)]
    texts = [told(bytes([n] * 4), MENTOR) for n in range(1, MAX_DRAWS)]
    assert drawn(once, *texts) == (texts[0], 3)  # three have the same
    assert drawn([*once, (REQUEST, b"9999", MENTOR)], *texts) == (texts[0], 1)
    others = [(b"else", b"0000", MENTOR), (b"else", b"9999", MENTOR)]
    assert drawn(others, texts[0], told(b"8888", ILSE))[1] == 2


def test_a_name_of_the_request_is_no_mark_and_anybody_elses_is() -> None:
    text = "The reeve Odile Vell waits. “Archmage Serapha Kold,” she says, and Cold Ferry listens."
    assert list(MARKS.people(text)) == ["Odile Vell", "Archmage Serapha"]
    both = MARKS.of(text, text, "a tale")
    assert len(both) == 4
    assert MARKS.of(text, text, "odile vell's tale")[1:] == (both[1], both[3])


def test_marks_are_few_and_hashes_and_the_same_everywhere() -> None:
    crowd = " ".join(f"Then Odile {name} came." for name in Packs().names["family"])
    found = MARKS.of(crowd, crowd, "")
    assert (len(found), {len(mark) for mark in found}) == (MAX_MARKS, {MARK_BYTES})
    assert found[0] == bytes.fromhex("1271cf25")  # of a request without a word
