"""Contents: what a caller made, by id in one statement and page by page."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.service import Service
from tests.test_graphql import STORY, STORY_INPUT, THEME, THEME_INPUT, VALIDATION, VALIDATION_INPUT


async def test_fifty_contents_are_read_in_one_statement(loregate: Service) -> None:
    made = [(await loregate.generate())["contentId"] for _ in range(5)]
    ids = [made[i % 5] for i in range(48)] + ["no uuid", str(uuid.uuid4())]
    fields = " ".join(f'a{i}: content(id: "{x}") {{ contentId }}' for i, x in enumerate(ids))
    with reading() as statements:
        data = await loregate.data("{" + fields + "}")
    found = [data[f"a{i}"] for i in range(50)]
    assert found == [{"contentId": x} for x in ids[:48]] + [None, None]
    assert len(statements) == 1


@contextmanager
def reading() -> Iterator[list[str]]:
    """The statements that read contents while the block runs."""
    found: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "FROM contents" in statement:
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


PAGE = """query ($first: Int, $after: String, $types: [ContentType!]) {
  contents(first: $first, after: $after, contentTypes: $types) {
    edges { cursor node { contentId contentType } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


async def test_paging_forward_gives_each_content_once_the_newest_first(
    loregate: Service,
) -> None:
    made = [(await loregate.generate())["contentId"] for _ in range(7)]
    await loregate.generate(sub="bob")
    seen: list[str] = []
    after = None
    for size in (3, 3, 1):
        page = (await loregate.data(PAGE, {"first": 3, "after": after}))["contents"]
        assert len(page["edges"]) == size
        seen += [e["node"]["contentId"] for e in page["edges"]]
        assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
        assert page["pageInfo"]["hasNextPage"] is (len(seen) < 7)
        assert page["pageInfo"]["startCursor"] == page["edges"][0]["cursor"]
        after = page["pageInfo"]["endCursor"]
    assert seen == made[::-1]
    page = (await loregate.data(PAGE, {"after": after}))["contents"]
    assert page["edges"] == []
    assert page["pageInfo"]["endCursor"] is None


async def test_contents_can_be_of_some_types_only(loregate: Service) -> None:
    await loregate.generate()
    await loregate.data(STORY, {"input": STORY_INPUT})
    await loregate.data(THEME, {"input": THEME_INPUT})
    for types in (["STORY"], ["THEME", "CHARACTER"], None, ["CAMPAIGN"]):
        page = (await loregate.data(PAGE, {"types": types}))["contents"]
        found = [e["node"]["contentType"] for e in page["edges"]]
        expected = ["THEME", "STORY", "CHARACTER"]
        assert found == [t for t in expected if types is None or t in types]


async def test_every_kind_of_content_is_read_as_it_was_answered(loregate: Service) -> None:
    answers = {
        "story": (STORY, STORY_INPUT, "generateStory", "text summary"),
        "analysis": (THEME, THEME_INPUT, "analyzeTheme", "overallScore summary"),
        "validation": (VALIDATION, VALIDATION_INPUT, "validateContent", "passed overallScore"),
    }
    kinds = {"story": "Story", "analysis": "ThemeAnalysis", "validation": "ContentValidation"}
    for field, (query, given, root, asked) in answers.items():
        made = (await loregate.data(query, {"input": given}))[root][field]
        found = await loregate.data(
            f"query ($id: ID!) {{ content(id: $id) {{ ... on {kinds[field]} {{ {asked} }} }} }}",
            {"id": made["contentId"]},
        )
        assert found["content"] == {name: made[name] for name in asked.split()}
