"""Every root field has an example in the documentation, and each runs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.doc_blocks import ROOT
from tests.support.graphql_schema import BUILT
from tests.support.service import Service

PAGE = ROOT / "docs" / "reference" / "graphql-examples.md"
EXAMPLE = re.compile(r"^## (\w+) (\w+)\n.*?^```graphql\n(.*?)^```$", re.M | re.S)
EXAMPLES = {(kind, name): text for kind, name, text in EXAMPLE.findall(PAGE.read_text())}
CONTENT = 'mutation { generateStory(input: {elementType: SCENE, context: {setting: "Saltmere"}}) {'
START = """mutation { startGeneration(input: {story: {elementType: SCENE, context: {
  setting: "Saltmere"}}}) { generation { id } } }"""


def asked(*kinds: str) -> list[Any]:
    return [pytest.param(*key, id=key[1]) for key in EXAMPLES if key[0] in kinds]


def test_every_root_field_has_an_example_and_nothing_else_has() -> None:
    roots = {"query": BUILT.query_type, "mutation": BUILT.mutation_type}
    roots["subscription"] = BUILT.subscription_type
    fields = {(kind, name) for kind, root in roots.items() if root for name in root.fields}
    assert EXAMPLES.keys() == fields


async def variables(found: Service) -> dict[str, Any]:
    """What the examples leave to the reader."""
    cursor = (await found.data("{ eventCursor }"))["eventCursor"]
    story = await found.data(f"{CONTENT} story {{ id contentId }} }} }}")
    analysis = {"content": "The lamps of Saltmere went out."}
    assert (await found.post("/api/v2/theme/analyze", analysis)).status_code == 200
    rules = [{"category": "quality", "name": "readable"}]
    held = {"content": "The lamps went out.", "content_type": "story", "rules": rules}
    assert (await found.post("/api/v2/validation/content", held)).status_code == 200
    content = story["generateStory"]["story"]
    generation = (await found.data(START))["startGeneration"]["generation"]["id"]
    own = {"contentId": content["contentId"], "id": content["id"]}
    return {**own, "generationId": generation, "after": cursor}


@pytest.mark.parametrize(("kind", "name"), asked("query", "mutation"))
async def test_an_example_of_a_query_or_a_mutation_is_answered(
    loregate: Service, kind: str, name: str
) -> None:
    text = EXAMPLES[kind, name]
    given = await variables(loregate)
    found = await loregate.data(text, {v: given[v] for v in set(re.findall(r"\$(\w+)", text))})
    assert found[name] is not None


@pytest.mark.parametrize(("kind", "name"), asked("subscription"))
async def test_an_example_of_a_subscription_has_a_result(
    loregate: Service, kind: str, name: str
) -> None:
    text = EXAMPLES[kind, name]
    given = await variables(loregate)
    if name == "generation":
        given["after"] = None  # a cursor of events is none of a generation
    async with loregate.socket() as socket:
        await socket.acknowledged()
        wanted = set(re.findall(r"\$(\w+)", text))
        await socket.subscribe(text, {v: given[v] for v in wanted})
        assert await socket.next(name)
