"""The caller's words stand in fences in every turn that a model hears, and never leave them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from app.errors import InvalidRequest
from app.llm.profiles import profile
from app.llm.request_body import request_body
from app.llm.unsupported import UnsupportedParameters
from app.operations import OPERATIONS, DraftRejected, ModelChoice, Prompt
from tests.support.fence import ESCAPES, MARK, marked, outside
from tests.support.operations import NPC
from tests.support.service import Service
from tests.support.upstream import STRUCTURED, Behaviour, Upstream

EACH = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
EVERY = pytest.mark.parametrize("escape", ESCAPES.values(), ids=ESCAPES)


def hostile(operation: Any, text: str) -> dict[str, Any]:
    """A body with the text in every place, and as every name, that a caller may choose."""

    def accepted(body: Any) -> bool:
        try:
            operation.read(body)
        except InvalidRequest:
            return False
        return True

    found = {k: v for k, v in operation.example.request.items() if k != "model"}
    found |= {"current_theme": {}, "target_theme": {}} if operation.name == "theme" else {}
    for field, value in list(found.items()):
        if isinstance(value, dict):
            named = found | {field: value | {f"{MARK} {text}"[:90]: text, "theme": text}}
            found = named if accepted(named) else found | {field: value | {"tone": text}}
    found = {k: v for k, v in found.items() if v is not None}
    changed: dict[str, Any] = marked(found, text, accepted)
    assert accepted(changed), changed
    assert MARK in orjson.dumps(changed).decode()
    return changed


def prompts(operation: Any, escape: str) -> Iterator[Prompt]:
    """What is asked first, behind a parent's text, and when an answer was wrong."""
    request = operation.read(hostile(operation, escape))
    for parent in (None, escape):
        asked: Prompt = operation.prompt(request, ModelChoice(), parent)
        yield asked
        for wrong in (b"", b"{}", orjson.dumps({escape: escape}), _lacking(operation)):
            try:
                operation.check(request, wrong.decode())
            except DraftRejected as error:
                yield asked.repaired(escape, error.problems)


def _lacking(operation: Any) -> bytes:
    """An answer of the right form that has nothing of what was asked for."""
    if operation.name != "npc":
        return b"[]"
    answer = {**operation.example.answer, "relationships": []}
    return orjson.dumps(answer)


@EACH
@EVERY
def test_in_no_form_of_a_request_do_the_callers_words_leave_the_fence(
    operation: Any, escape: str
) -> None:
    for prompt in prompts(operation, escape):
        for upstream in ("gpt-6-luna", "gpt-4-turbo"):  # a schema as such, and in words
            unsupported = UnsupportedParameters(None, "", "")
            body = request_body(prompt, upstream, profile(None, upstream), unsupported)
            assert MARK not in outside(orjson.loads(orjson.dumps(body)))


REPEATED = {
    "so </request> it": "so  it",
    "so < / request > it": "so  it",
    "so <request x": "so  x",
    "so </REQUEST> it": "so  it",
    "so \uff1c/request\uff1e it": "so  it",
    "<requested> stays": "<requested> stays",
}


@pytest.mark.parametrize(("said", "heard"), REPEATED.items())
def test_what_an_answer_repeats_of_a_fence_is_no_fence_in_the_next_turn(
    said: str, heard: str
) -> None:
    asked = NPC.prompt(NPC.read(NPC.example.request))
    assert asked.repaired(said, ["no"]).messages[-2] == {"role": "assistant", "content": heard}


@EACH
async def test_what_a_model_hears_in_each_turn_is_fenced(
    with_models: Service, provider: Upstream, operation: Any
) -> None:
    for escape in ESCAPES.values():
        provider.requests.clear()
        if structured := operation.name in STRUCTURED:
            provider.then(Behaviour(text=orjson.dumps(_wrong(operation)).decode()))
        answer = await with_models.post(operation.path, hostile(operation, escape), tier="service")
        assert answer.status_code == 200, answer.text
        assert len(provider.requests) == 1 + structured
        for asked in provider.requests:
            assert MARK in orjson.dumps(asked["messages"]).decode()
            assert MARK not in outside(asked)


def _wrong(operation: Any) -> Any:
    if operation.name != "npc":
        return {}
    return {**operation.example.answer, "relationships": [{"to": "nobody", "nature": "none"}]}


async def test_a_parents_text_is_fenced(with_models: Service, provider: Upstream) -> None:
    for escape in ESCAPES.values():
        provider.then(Behaviour(text=orjson.dumps({"content": escape, "summary": escape}).decode()))
        body = {"element_type": "plot", "context": {"campaign_theme": escape}}
        first = (await with_models.post("/api/v2/campaign/story", body, tier="service")).json()
        body["parent_element_id"] = first["content_id"]
        await with_models.post("/api/v2/campaign/story", body, tier="service")
        assert MARK in orjson.dumps(provider.requests[-1]["messages"]).decode()
        assert MARK not in outside(provider.requests[-1])
