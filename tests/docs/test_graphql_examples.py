"""Every root field has an example in the documentation, and each runs."""

from __future__ import annotations

import re
from typing import Any

from tests.support.doc_blocks import ROOT
from tests.support.graphql_schema import BUILT
from tests.support.service import Service

PAGE = ROOT / "docs" / "reference" / "graphql-examples.md"
EXAMPLE = re.compile(r"^## (\w+) (\w+)\n.*?^```graphql\n(.*?)^```$", re.M | re.S)
EXAMPLES = {(kind, name): text for kind, name, text in EXAMPLE.findall(PAGE.read_text())}
CONTENT = 'mutation { generateStory(input: {elementType: SCENE, context: {setting: "Saltmere"}}) {'
START = """mutation { startGeneration(input: {story: {elementType: SCENE, context: {
  setting: "Saltmere"}}}) { generation { id } } }"""


def names(text: str) -> set[str]:
    """The variables of a document."""
    return set(re.findall(r"\$(\w+)", text))


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


async def test_the_examples_of_queries_and_mutations_are_answered(loregate: Service) -> None:
    given = await variables(loregate)
    for (kind, name), text in EXAMPLES.items():  # what deletes stands last
        if kind != "subscription":
            found = await loregate.data(text, {v: given[v] for v in names(text)}, tier="service")
            assert found[name] is not None, name


async def test_the_examples_of_subscriptions_have_results(loregate: Service) -> None:
    given = await variables(loregate)
    for (kind, name), text in EXAMPLES.items():
        if kind != "subscription":
            continue
        after = None if name == "generation" else given["after"]  # one of events is none of a text
        async with loregate.socket() as socket:
            await socket.acknowledged()
            await socket.subscribe(text, {v: {**given, "after": after}[v] for v in names(text)})
            assert await socket.next(name)
            while name == "generation" and (await socket.receive())["type"] != "complete":
                pass  # a text's many results; unread they would hold up the closing
