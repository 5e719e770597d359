"""A template's results are the executor's, whatever is asked for and whatever the text holds."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from graphql import execute_subscription_event, parse, validate
from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers.context import ID
from resolvers.generations import GenerationDelta
from resolvers.pacing import PacedExecutor, Turns
from resolvers.response_streams import SubscriptionGroup
from resolvers.result_template import PLACEHOLDER, ResultTemplate, template_of
from tests.support.graphql_schema import BUILT

HEAD = 'subscription ($yes: Boolean!, $no: Boolean!) { generation(id: "g") '

names = st.sampled_from(["generationId", "cursor", "__typename", "seq", "text"])
own = st.sampled_from(["seq", "text", "cursor", "__typename"])
aliases = st.sampled_from(["", "a: ", "_2147483646: ", "text_: ", "seq2: "])
conditions = st.sampled_from(["", " @include(if: $yes)", " @skip(if: $yes)", " @include(if: $no)"])


def _field(parts: tuple[str, str, str]) -> str:
    alias, name, condition = parts
    # The same alias for different fields is a conflict: it carries the field's name.
    return f"{alias[:-2]}_{name}: {name}{condition}" if alias else f"{name}{condition}"


def fields(of: Any) -> Any:
    return st.lists(st.tuples(aliases, of, conditions).map(_field), min_size=1, max_size=6)


@st.composite
def documents(draw: st.DrawFn) -> str:
    common = ["generationId", "cursor", "__typename"]
    every = " ".join(draw(fields(st.sampled_from(common))))
    inline = " ".join(draw(fields(own)))
    spread = " ".join(draw(fields(names)))
    return (
        f"{HEAD} {{ {every} ... on GenerationDelta {{ {inline} }} ...rest }} "
        f"}} fragment rest on GenerationDelta {{ {spread} }}"
    )


def executor(document: str) -> Any:
    node = parse(document)
    assert not [e for e in validate(BUILT, node) if "is never used" not in e.message]
    built = PacedExecutor.build(
        BUILT, node, raw_variable_values={"yes": True, "no": False}, turns=Turns()
    )
    assert not isinstance(built, list), built
    return built


def delta(cursor: str, seq: int, text: str) -> GenerationDelta:
    return GenerationDelta(generation_id=ID("g"), cursor=cursor, seq=seq, text=text)


events = st.builds(delta, st.text(), st.integers(0, 2**31 - 1), st.text())


def executed(found: Any, event: Any) -> Any:
    result = execute_subscription_event(found.at_once(event))
    assert not result.errors
    return orjson.loads(orjson.dumps({"data": result.data}))


@settings(max_examples=150)
@given(documents(), events, events)
def test_it_says_what_the_executor_says(document: str, first: Any, second: Any) -> None:
    found = executor(document)
    group = SubscriptionGroup("alice", ("key",), found, "request")
    for event in (first, second):
        told = orjson.loads(group.execute("c", event))
        assert told.pop("extensions") == {"cursor": "c"}
        assert told == executed(found, event)


def test_it_is_executed_once() -> None:
    calls = []

    def execute(event: Any) -> Any:
        calls.append(event)
        return execute_subscription_event(built.at_once(event))

    built = executor(HEAD + "{ ... on GenerationDelta { text seq } } }")
    template = template_of(delta("c", 1, "t"), GenerationDelta.varying, execute)
    assert isinstance(template, ResultTemplate)
    for n in range(3):
        told = orjson.loads(template.fill(delta("c", n, f"{n}")))
        assert told["data"]["generation"] == {"text": f"{n}", "seq": n}
    assert len(calls) == 1


@pytest.mark.parametrize(
    "text", [PLACEHOLDER.format("seq"), PLACEHOLDER.format("cursor") * 2, '"', "\ue000"]
)
def test_a_text_that_looks_like_a_mark_is_a_text(text: str) -> None:
    group = SubscriptionGroup(
        "alice", (), executor(HEAD + "{ ... on GenerationDelta { text seq } } }"), "r"
    )
    for event in (delta("c", 1, text), delta("c", 2, text)):
        told = orjson.loads(group.execute("c", event))["data"]["generation"]
        assert told == {"text": text, "seq": event.seq}


def test_without_the_fields_nothing_is_filled_in() -> None:
    group = SubscriptionGroup("alice", (), executor(HEAD + "{ __typename } }"), "r")
    told = orjson.loads(group.execute("c", delta("c", 1, "t")))
    assert told["data"] == {"generation": {"__typename": "GenerationDelta"}}
