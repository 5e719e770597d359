"""Contents: what a caller made, by id in one statement and page by page."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from resolvers import pacing
from tests.support.graphql_requests import (
    STORY,
    STORY_INPUT,
    THEME,
    THEME_INPUT,
    VALIDATION,
    VALIDATION_INPUT,
    field_errors,
)
from tests.support.replaced import replaced
from tests.support.service import CHARACTER_INPUT, GENERATE, Service

pytestmark = pytest.mark.also_on("postgresql")


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


# -- parents and children
def child_of(parent: str, **fields: Any) -> dict[str, Any]:
    return {"input": {**CHARACTER_INPUT, "parentContentId": parent, **fields}}


async def continued(loregate: Service, parent: str, **claims: Any) -> str:
    data = await loregate.data(GENERATE, child_of(parent), **claims)
    made: str = data["generateCharacterContent"]["content"]["contentId"]
    return made


async def generate_child(loregate: Service, parent: str | None = None, **claims: Any) -> str:
    given = {**STORY_INPUT, "parentElementId": parent}
    made: str = (await loregate.data(STORY, {"input": given}, **claims))["generateStory"]["story"][
        "contentId"
    ]
    return made


FAMILY = """query ($id: ID!) { content(id: $id) { __typename parent { contentId }
  children { __typename contentId parent { contentId } } ... on Story { childElements } } }"""


async def family(loregate: Service, content_id: str, **claims: Any) -> Any:
    return (await loregate.data(FAMILY, {"id": content_id}, **claims))["content"]


async def test_a_content_knows_what_it_continues_and_what_continues_it(loregate: Service) -> None:
    grandparent = await generate_child(loregate)
    parent = await generate_child(loregate, grandparent)
    children = [
        await generate_child(loregate, parent),
        await continued(loregate, parent),
        await generate_child(loregate, parent),
    ]
    found = await family(loregate, parent)
    assert found["parent"] == {"contentId": grandparent}
    assert [c["contentId"] for c in found["children"]] == children
    assert [c["__typename"] for c in found["children"]] == ["Story", "GeneratedContent", "Story"]
    assert [c["parent"]["contentId"] for c in found["children"]] == [parent] * 3
    assert found["childElements"] == [children[0], children[2]]
    first = await family(loregate, grandparent)
    assert first["parent"] is None
    assert first["childElements"] == [parent]
    assert (await family(loregate, children[1]))["children"] == []


PAGE_OF_FAMILIES = """{ contents(first: 30) { edges { node { contentId parent { contentId }
  children { contentId parent { contentId } } ... on Story { childElements } } } } }"""


@pytest.mark.parametrize("slice_", [pacing.SLICE, 0.0])  # at once, and a field at a time
async def test_thirty_contents_with_parents_and_children_are_four_statements(
    loregate: Service, slice_: float
) -> None:
    roots = [await generate_child(loregate) for _ in range(3)]
    parents: dict[str, str | None] = dict.fromkeys(roots)
    for n in range(27):
        parents[await generate_child(loregate, roots[n % 3])] = roots[n % 3]
    with replaced(pacing, SLICE=slice_), reading() as statements:
        edges = (await loregate.data(PAGE_OF_FAMILIES))["contents"]["edges"]
    # The page, its parents, its children, and the children's parents.
    assert len(statements) == 4
    nodes = {e["node"]["contentId"]: e["node"] for e in edges}
    assert list(nodes) == list(parents)[::-1]
    for content_id, parent in parents.items():
        node = nodes[content_id]
        assert node["parent"] == (parent and {"contentId": parent})
        children = [c for c, p in parents.items() if p == content_id]
        assert node["childElements"] == children
        expected = [{"contentId": c, "parent": {"contentId": content_id}} for c in children]
        assert node["children"] == expected


async def test_as_many_children_are_given_as_are_asked_for(loregate: Service) -> None:
    parent = await generate_child(loregate)
    made = [await continued(loregate, parent) for _ in range(22)]
    query = "query ($id: ID!) { content(id: $id) { children%s { contentId } } }"
    for first, count in (("", 20), ("(first: 3)", 3), ("(first: 50)", 22)):
        found = (await loregate.data(query % first, {"id": parent}))["content"]["children"]
        assert [c["contentId"] for c in found] == made[:count]
    for bad in (0, 51, -1):
        body = (await loregate.graphql(query % f"(first: {bad})", {"id": parent})).json()
        assert body["data"] == {"content": {"children": None}}
        assert set(field_errors(body)) == {"first"}


async def test_nobodys_family_is_shown_to_others(loregate: Service) -> None:
    mine = await generate_child(loregate)
    await generate_child(loregate, mine)
    assert await family(loregate, mine, sub="bob") is None
    variables = child_of(mine)
    body = (await loregate.graphql(GENERATE, variables, sub="bob")).json()
    assert set(field_errors(body)) == {"input.parentContentId"}
    assert len((await family(loregate, mine))["children"]) == 1


PARENTS = {
    "input.parentContentId": (GENERATE, CHARACTER_INPUT, "parentContentId"),
    "input.parentElementId": (STORY, STORY_INPUT, "parentElementId"),
}


@pytest.mark.parametrize("field", PARENTS)
async def test_a_parent_that_is_not_there_is_named(loregate: Service, field: str) -> None:
    query, given, name = PARENTS[field]
    for missing in (str(uuid.uuid4()), "no uuid"):
        body = (await loregate.graphql(query, {"input": {**given, name: missing}})).json()
        assert set(field_errors(body)) == {field}
        assert missing not in str(body["errors"])
    assert await loregate.counted("operation:text_generation") == 0
    assert await loregate.counted("user") == 2


WITH_CHILDREN = STORY.replace("childElements", "childElements children { contentId }")
NEW = {"input": STORY_INPUT}


async def test_a_new_story_is_answered_to_who_may_not_read(loregate: Service) -> None:
    claims: dict[str, Any] = {"permissions": ["campaign:generate"]}
    story = (await loregate.data(STORY, NEW, **claims))["generateStory"]["story"]
    assert story["childElements"] == []
    body = (await loregate.graphql(WITH_CHILDREN, NEW, **claims)).json()
    assert body["data"]["generateStory"]["story"]["text"]
    assert body["data"]["generateStory"]["story"]["children"] is None
    [error] = body["errors"]
    assert error["extensions"]["requiredPermission"] == "content:read"


# -- deleting
DELETE = (
    "mutation ($id: ID!) { deleteContent(id: $id) { contentId requestId rateLimit { scope } } }"
)


async def delete(loregate: Service, content_id: str, **claims: Any) -> Any:
    return (await loregate.graphql(DELETE, {"id": content_id}, **claims)).json()


async def test_what_is_deleted_is_gone(loregate: Service) -> None:
    parent, other = await generate_child(loregate), await generate_child(loregate)
    child = await generate_child(loregate, parent)
    payload = (await delete(loregate, parent))["data"]["deleteContent"]
    assert payload["contentId"] == parent
    assert payload["rateLimit"]["scope"] == "user"
    assert await family(loregate, parent) is None
    edges = (await loregate.data(PAGE, {}))["contents"]["edges"]
    assert [e["node"]["contentId"] for e in edges] == [child, other]
    query = "query ($id: ID!) { content(id: $id) { parent { contentId } } }"
    assert await loregate.data(query, {"id": child}) == {"content": {"parent": None}}
    [error] = (await delete(loregate, parent))["errors"]
    assert error["extensions"]["code"] == "NOT_FOUND"
    body = (await loregate.graphql(GENERATE, child_of(parent))).json()
    assert set(field_errors(body)) == {"input.parentContentId"}


async def test_a_deleted_analysis_is_not_given_again(loregate: Service) -> None:
    given = {"input": {**THEME_INPUT, "idempotencyKey": "once"}}
    first = (await loregate.data(THEME, given))["analyzeTheme"]["analysis"]["contentId"]
    await delete(loregate, first)
    again = (await loregate.data(THEME, given))["analyzeTheme"]["analysis"]["contentId"]
    assert again != first


async def test_only_ones_own_is_deleted(loregate: Service) -> None:
    mine = await generate_child(loregate)
    for content_id in (mine, str(uuid.uuid4()), "no uuid"):
        body = await delete(loregate, content_id, sub="bob")
        assert body["data"] == {"deleteContent": None}
        assert body["errors"][0]["extensions"]["code"] == "NOT_FOUND"
    assert await family(loregate, mine)


async def test_deleting_needs_the_permission_to_write(loregate: Service) -> None:
    mine = await generate_child(loregate)
    [error] = (await delete(loregate, mine, permissions=["content:read", "text:*"]))["errors"]
    assert error["extensions"]["requiredPermission"] == "content:write"
    assert await family(loregate, mine)
