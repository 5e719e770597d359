"""Node: every content has one `id`, by which it is found again and caches know it."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from graphql import GraphQLInterfaceType, GraphQLObjectType, GraphQLScalarType

from resolvers.complexity import MAX_NODES
from resolvers.node import global_id
from resolvers.results import RESULTS
from tests.support.graphql_requests import (
    STORY,
    STORY_INPUT,
    field_errors,
    over_each_query_transport,
)
from tests.support.graphql_schema import BUILT
from tests.support.replaced import replaced
from tests.support.service import CHARACTER_INPUT, Service

NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on Content { contentId } } }"
NODES = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
DELETE = "mutation ($id: ID!) { deleteContent(id: $id) { contentId deletedId } }"
CONTENT = "query ($id: ID!) { content(id: $id) { id contentId } }"


def identified(content: dict[str, Any]) -> str:
    return str(global_id("Content", content["contentId"]))


# -- what an id is
async def test_an_id_is_the_same_wherever_a_content_is_met(loregate: Service) -> None:
    generate = """mutation ($input: GenerateCharacterContentInput!) {
      generateCharacterContent(input: $input) { content { id contentId } } }"""
    made = await loregate.data(generate, {"input": CHARACTER_INPUT})
    content = made["generateCharacterContent"]["content"]
    query = """query ($id: ID!, $ids: [ID!]!) { content(id: $id) { id }
      node(id: $id) { id } nodes(ids: $ids) { id } contents { edges { node { id } } } }"""
    found = await loregate.data(query, {"id": content["id"], "ids": [content["id"]]})
    met = [found["content"], found["node"], *found["nodes"]]
    met += [edge["node"] for edge in found["contents"]["edges"]]
    assert met == [{"id": content["id"]}] * 4


async def test_an_events_content_has_the_contents_id(loregate: Service) -> None:
    cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
    made = await loregate.generate()
    query = "subscription ($after: String) { events(after: $after) { id content { id } } }"
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(query, {"after": cursor})
        event = await socket.next("events")
    assert event["content"]["id"] == identified(made)
    assert event["id"] not in (identified(made), made["contentId"])


def test_an_id_stays_what_it_was_when_caches_wrote_it_down() -> None:
    """Caches are kept on disks: an id of today must name the same content for ever."""
    found = global_id("Content", "01a203fd-5084-71ff-812d-9c162c596a5c")
    assert found == "Q29udGVudDowMWEyMDNmZC01MDg0LTcxZmYtODEyZC05YzE2MmM1OTZhNWM"


async def test_the_models_have_an_id_each(loregate: Service) -> None:
    models = (await loregate.data("{ models { id name } }"))["models"]
    assert len({m["id"] for m in models} | {m["name"] for m in models}) == 2 * len(models)


# -- finding by it
@over_each_query_transport
async def test_a_node_is_found_as_its_own_type(ask: Any, loregate: Service) -> None:
    made = await loregate.generate()
    body = await ask(loregate, NODE, {"id": identified(made)})
    assert body["data"]["node"] == {
        "__typename": "GeneratedContent",
        "id": identified(made),
        "contentId": made["contentId"],
    }


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


STRANGE = {
    "unknown": _encoded(f"Content:{uuid.UUID(int=7)}"),
    "of another kind": _encoded(f"Generation:{uuid.UUID(int=7)}"),
    "no uuid in it": _encoded("Content:7"),
    "no kind in it": _encoded("7"),
    "empty": "",
    "one letter": "Q",
    "no base64": "\u1234!",
    "no UTF-8": "____",
    "a zero": _encoded("Content:\x00"),
    "long": "Q" * 100_000,
}


@pytest.mark.parametrize("id", STRANGE.values(), ids=STRANGE)
async def test_an_id_of_nothing_is_null(loregate: Service, id: str) -> None:
    assert await loregate.data(NODE, {"id": id}) == {"node": None}
    assert await loregate.data(NODES, {"ids": [id, id]}) == {"nodes": [None, None]}


async def test_another_spelling_of_an_id_is_null(loregate: Service) -> None:
    """One thing under two ids would be two entries of a cache."""
    made = await loregate.generate()
    upper = _encoded(f"Content:{made['contentId'].upper()}")
    for spelt in (f"{identified(made)}=", f"{identified(made)}\n", f"-{identified(made)}"):
        assert (await loregate.data(NODE, {"id": spelt}))["node"] is None
    assert (await loregate.data(NODE, {"id": made["contentId"]}))["node"] is None
    assert (await loregate.data(NODE, {"id": upper}))["node"] is None


async def test_nobody_elses_content_is_a_node(loregate: Service) -> None:
    theirs = identified(await loregate.generate(sub="bob"))
    assert await loregate.data(NODES, {"ids": [theirs]}) == {"nodes": [None]}
    assert (await loregate.data(NODE, {"id": theirs}))["node"] is None
    assert (await loregate.data(NODE, {"id": theirs}, sub="bob"))["node"] is not None


async def test_nodes_come_in_the_asked_order(loregate: Service) -> None:
    ids = [identified(await loregate.generate()) for _ in range(2)]
    asked = [ids[1], "nothing", ids[0], ids[1]]
    found = (await loregate.data(NODES, {"ids": asked}))["nodes"]
    assert [node and node["id"] for node in found] == [ids[1], None, ids[0], ids[1]]


@pytest.mark.parametrize("count", [0, MAX_NODES + 1])
async def test_1_to_100_nodes_are_found_at_once(loregate: Service, count: int) -> None:
    made = identified(await loregate.generate())
    body = (await loregate.graphql(NODES, {"ids": [made] * count})).json()
    assert field_errors(body) == {"ids": "1 to 100 ids are wanted"}
    ids = [made] * MAX_NODES
    assert len((await loregate.data(NODES, {"ids": ids}))["nodes"]) == MAX_NODES


async def test_all_nodes_of_a_document_are_read_together(loregate: Service) -> None:
    ids = [identified(await loregate.generate()) for _ in range(3)]
    get_many, asked = loregate.parts.store.get_many, list[list[str]]()

    async def noted(user_id: str, ids: Sequence[str], **how: Any) -> Any:
        asked.append(list(ids))
        return await get_many(user_id, ids, **how)

    query = f"""query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ id }}
      node(id: "{ids[2]}") {{ id }} content(id: "{ids[2]}") {{ id }} }}"""
    with replaced(loregate.parts.store, get_many=noted):
        await loregate.data(query, {"ids": ids[:2]})
    assert len(asked) == 1
    assert len(asked[0]) == 4


# -- either id
async def test_a_content_is_found_by_either_id(loregate: Service) -> None:
    made = await loregate.generate()
    for spelt in (identified(made), made["contentId"]):
        found = (await loregate.data(CONTENT, {"id": spelt}))["content"]
        assert found == {"id": identified(made), "contentId": made["contentId"]}


@pytest.mark.parametrize("spelt", [identified, lambda made: made["contentId"]])
async def test_a_content_is_deleted_by_either_id(loregate: Service, spelt: Any) -> None:
    made = await loregate.generate()
    deleted = (await loregate.data(DELETE, {"id": spelt(made)}))["deleteContent"]
    assert deleted == {"contentId": made["contentId"], "deletedId": identified(made)}
    assert (await loregate.data(NODE, {"id": identified(made)}))["node"] is None


async def test_a_parent_is_named_by_either_id(loregate: Service) -> None:
    parent = await loregate.generate()
    for spelt in (identified(parent), parent["contentId"]):
        given = {"input": {**STORY_INPUT, "parentElementId": spelt, "cache": "BYPASS"}}
        story = (await loregate.data(STORY, given))["generateStory"]["story"]
        assert story["parentElementId"] == parent["contentId"]


async def test_a_parent_by_an_id_of_nothing_is_refused_as_such(loregate: Service) -> None:
    given = {"input": {**STORY_INPUT, "parentElementId": _encoded("Content:7")}}
    body = (await loregate.graphql(STORY, given)).json()
    assert list(field_errors(body)) == ["input.parentElementId"]


# -- the schema
def test_every_content_is_a_node() -> None:
    node, content = BUILT.type_map["Node"], BUILT.type_map["Content"]
    assert isinstance(node, GraphQLInterfaceType)
    assert isinstance(content, GraphQLInterfaceType)
    assert list(content.interfaces) == [node]
    kinds = {kind.name for kind in BUILT.get_possible_types(content)}
    assert kinds == {kind.__name__ for kind in RESULTS.values()}
    assert {kind.name for kind in BUILT.get_possible_types(node)} == kinds


def test_whatever_has_an_id_always_has_one() -> None:
    """A cache that finds `id` null keeps the thing by its place instead."""
    objects = [k for k in BUILT.type_map.values() if isinstance(k, GraphQLObjectType)]
    identified = {k.name: str(k.fields["id"].type) for k in objects if "id" in k.fields}
    assert set(identified.values()) == {"ID!"}
    assert {"GeneratedContent", "Model", "Viewer", "Generation"} < identified.keys()


def test_times_are_specified_by_rfc_3339() -> None:
    for name in ("DateTime", "Date"):
        scalar = BUILT.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        assert scalar.specified_by_url == "https://datatracker.ietf.org/doc/html/rfc3339"


async def test_times_are_written_as_rfc_3339_has_them(loregate: Service) -> None:
    await loregate.generate()
    query = """{ viewer { expiresAt } rateLimits { resetAt }
      contents { edges { node { createdAt metadata { createdAt } } } } }"""
    text = (await loregate.graphql(query)).text
    times = re.findall(r'At":"([^"]+)"', text)
    assert len(times) > 5
    written = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)"
    assert [t for t in times if not re.fullmatch(written, t)] == []
