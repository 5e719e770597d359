"""ProseReader: what it gives is always the beginning of what the whole answer says."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.generations.prose import ProseReader

FIELD = "content"
LONE = re.compile("[\ud800-\udfff]")

# Names and texts that look like what is searched for, beside any others.
TRAPS = st.sampled_from(
    ["content", "cont", "contents", '"content":', '{"content": "no"}', '\\"', "\\", "}", "]", ""]
)
texts = st.one_of(TRAPS, st.text(max_size=12))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)
prose = st.one_of(texts, st.text(alphabet=' \n\t\u00a0\u2003aé😀"\\', max_size=30))


@st.composite
def written(draw: st.DrawFn, text: str) -> str:
    """A JSON string that says this text, each character escaped or not."""
    found = []
    for char in text:
        plain = json.dumps(char, ensure_ascii=False)[1:-1]
        units = char.encode("utf-16-be").hex()
        escaped = "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
        found.append(draw(st.sampled_from([plain, escaped, escaped.upper().replace("U", "u")])))
    return '"' + "".join(found) + '"'


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, str]:
    """A model's answer, and the prose in it."""
    others = draw(st.dictionaries(texts, values, max_size=5))
    others.pop(FIELD, None)
    said = draw(prose)
    indent = draw(st.sampled_from([None, 0, 2]))
    pairs = [
        (json.dumps(k), json.dumps(v, ensure_ascii=draw(st.booleans()), indent=indent))
        for k, v in others.items()
    ]
    place = draw(st.integers(0, len(pairs)))
    pairs.insert(place, (draw(written(FIELD)), draw(written(said))))
    gap = draw(st.sampled_from(["", " ", "\r\n\t "]))
    inside = f"{gap},{gap}".join(f"{k}{gap}:{gap}{v}" for k, v in pairs)
    opening, closing = draw(st.sampled_from([("", ""), (" \n", "\n"), ("```json\n", "\n```")]))
    return f"{opening}{{{gap}{inside}{gap}}}{closing}", said.strip()


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=30)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def read(parts: list[str] | str, field: str | None = FIELD) -> str:
    reader = ProseReader(field)
    return "".join(reader.feed(p) for p in parts)


@given(st.data(), answers())
def test_the_pieces_joined_are_the_prose(data: st.DataObject, answer: tuple[str, str]) -> None:
    text, said = answer
    bare = text.strip().removeprefix("```json\n").removesuffix("```")
    assert json.loads(bare)[FIELD].strip() == said
    assert read(data.draw(pieces(text))) == said


@given(answers())
def test_each_prefix_gives_a_beginning_of_the_prose(answer: tuple[str, str]) -> None:
    text, said = answer
    reader, so_far = ProseReader(FIELD), ""
    for char in text:
        so_far += reader.feed(char)
        assert said.startswith(so_far)
    assert so_far == said


@given(st.data(), st.text(alphabet=st.characters(categories=["L", "Z", "Cc"])))
def test_without_a_field_all_of_it_is_prose(data: st.DataObject, text: str) -> None:
    reader, so_far = ProseReader(None), ""
    for piece in data.draw(pieces(text)):
        so_far += reader.feed(piece)
        assert text.strip().startswith(so_far)
    assert so_far == text.strip()


JUNK = st.lists(
    st.sampled_from(
        [
            *'{}[]",: \n`\\/u`0\x01aeé',
            "d83d",
            "\\ud83d",
            "\\ude00",
            '"content"',
            "```",
            "true",
            "-1",
        ]
    ),
    max_size=25,
).map("".join)


@given(st.data(), st.one_of(JUNK, st.builds('{{"content":"{}'.format, JUNK)))
@example(None, '{"a":,"content":"x"}')
def test_nothing_raises_and_splitting_changes_nothing(
    data: st.DataObject | None, text: str
) -> None:
    whole = read([text])
    assert read(text) == whole
    assert data is None or read(data.draw(pieces(text))) == whole
    try:
        found = json.loads(text)
    except ValueError:
        return
    once = text.count(FIELD) == 1  # where a key comes twice, json gives the last
    if once and isinstance(found, dict) and isinstance(found.get(FIELD), str):
        assert whole == LONE.sub("\ufffd", found[FIELD]).strip()


@pytest.mark.parametrize(
    ("string", "said"),
    [
        (r"\ud83d\ude00", "😀"),
        (r"\uD83D\uDE00", "😀"),
        (r"a\ud83db", "a\ufffdb"),
        (r"\ude00b", "\ufffdb"),
        (r"\ud83d\ud83d\ude00", "\ufffd😀"),
        (r"\ud83d\u0041", "\ufffdA"),
        (r"\ud83d\n!", "\ufffd\n!"),
        (r"\ud83d", "\ufffd"),
        (r"\"\\\/\b\f\n\r\t.", '"\\/\b\f\n\r\t.'),
    ],
)
def test_escapes_are_decoded_wherever_they_are_split(string: str, said: str) -> None:
    answer = f'{{"content":"{string}"}}'
    assert [read([answer[:i], answer[i:]]) for i in range(len(answer))] == [said] * len(answer)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"content":"so far\\x and on"}', "so far"),
        ('{"content":"so far\\u12g4 and on"}', "so far"),
        ('{"content":"so far\nand on"}', "so far"),
        ('{"a" "content":"x"}', ""),
        ('{"a":,"content":"x"}', ""),
        ('{"a":1 "content":"x"}', ""),
        ('{"a":1}{"content":"x"}', ""),
        ('{,"content":"x"}', ""),
        ('["content","x"]', ""),
        ('Sure! {"content":"x"}', ""),
        ('``{"content":"x"}', ""),
        ('{"content":5,"content":"x"}', ""),
        ('{"content":{"content":"x"}}', ""),
        ('{"content":"one","content":"two"}', "one"),
        ('{"a\\x":"b","content":"x"}', ""),
        ("", ""),
    ],
)
def test_what_cannot_be_read_gives_nothing_more(answer: str, said: str) -> None:
    assert read([answer]) == said


def test_prose_is_given_as_soon_as_it_is_certain() -> None:
    reader = ProseReader(FIELD)
    fed = {
        '{"content": " The': "The",
        " gate": " gate",
        " ": "",
        "\\n": "",
        "opens": " \nopens",
        "\\": "",
        'n\\u00e9" ': "\né",
        ',"a":1}': "",
    }
    assert {piece: reader.feed(piece) for piece in fed} == fed
