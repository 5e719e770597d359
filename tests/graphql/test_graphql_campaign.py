"""Campaign content, NPCs, locations and items: asked for, answered, told and read again."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.operations.campaign import CampaignContentType
from app.operations.item import ItemKind, ItemRarity
from app.operations.location import LocationType
from app.operations.npc import NpcRole
from tests.support.graphql_requests import by_socket, field_errors, over_each_mutation_transport
from tests.support.service import Service
from tests.support.upstream import Upstream

PAYLOAD = "requestId cacheStatus similarity rateLimit { scope remaining limit }"
COMMON = "__typename contentId contentType metadata { requestId modelUsed }"
CAMPAIGN_FIELDS = "text parentContentId"
NPC_FIELDS = """name role description personality motivations secrets
  relationships { to nature }"""
ITEM_FIELDS = """name kind rarity attunement description history drawback found parentContentId
  properties { name effect charges recharge }"""
LOCATION_FIELDS = "name locationType description pointsOfInterest occupants secrets hooks"


def mutation(name: str, field: str, fields: str) -> str:
    title = name[0].upper() + name[1:]
    return f"""mutation ($input: {title}Input!) {{
      answer: {name}(input: $input) {{ {PAYLOAD} result: {field} {{ {COMMON} {fields} }} }} }}"""


CAMPAIGN = mutation("generateCampaignContent", "content", CAMPAIGN_FIELDS)
NPC = mutation("generateNpc", "npc", NPC_FIELDS)
LOCATION = mutation("generateLocation", "location", LOCATION_FIELDS)
ITEM = mutation("generateItem", "item", ITEM_FIELDS)

CAMPAIGN_INPUT: dict[str, Any] = {
    "type": "QUEST",
    "campaignContext": {"campaignTheme": "a drowned crown", "partyLevel": 4, "duration": "short"},
    "theme": {"tone": "ominous"},
}
NPC_INPUT: dict[str, Any] = {
    "role": "QUEST_GIVER",
    "context": {"setting": "Saltmere", "partySize": 4},
    "traits": [{"key": "temper", "value": "short"}],
    "relationships": [{"key": "Ilse Vane", "value": "a sister"}],
}
LOCATION_INPUT: dict[str, Any] = {
    "locationType": "TAVERN",
    "context": {"setting": "Saltmere"},
    "size": "small",
    "purpose": "a smugglers' market",
    "occupants": ["Old Marta"],
    "features": ["a hidden cellar"],
}
ITEM_INPUT = {"kind": "WAND", "context": {"setting": "Saltmere", "partyLevel": 5}}
EACH: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "campaign": (CAMPAIGN, CAMPAIGN_INPUT, "GeneratedContent", CAMPAIGN_FIELDS),
    "npc": (NPC, NPC_INPUT, "Npc", NPC_FIELDS),
    "location": (LOCATION, LOCATION_INPUT, "Location", LOCATION_FIELDS),
    "item": (ITEM, ITEM_INPUT, "Item", ITEM_FIELDS),
}


async def make(found: Service, name: str, **fields: Any) -> Any:
    query, given, *_ = EACH[name]
    return (await found.data(query, {"input": {**given, **fields}}))["answer"]["result"]


@over_each_mutation_transport
@pytest.mark.parametrize("name", EACH)
async def test_each_is_made_counted_and_kept(ask: Any, loregate: Service, name: str) -> None:
    query, given, kind, fields = EACH[name]
    answer = (await ask(loregate, query, {"input": given}))["data"]["answer"]
    made = answer["result"]
    assert made["__typename"] == kind
    assert made["contentType"] == "CAMPAIGN"
    assert made["metadata"]["requestId"] == answer["requestId"]
    assert (answer["cacheStatus"], answer["similarity"]) == ("BYPASS", None)
    assert answer["rateLimit"]["scope"] == "operation:text_generation"
    assert answer["rateLimit"]["remaining"] == answer["rateLimit"]["limit"] - 1
    read = f"query ($id: ID!) {{ content(id: $id) {{ {COMMON} ... on {kind} {{ {fields} }} }} }}"
    assert (await loregate.data(read, {"id": made["contentId"]}))["content"] == made


async def test_a_list_tells_each_by_its_type(loregate: Service) -> None:
    made = [await make(loregate, name) for name in EACH]
    query = f"""{{ contents(contentTypes: [CAMPAIGN]) {{ edges {{ node {{ __typename contentId
      ... on GeneratedContent {{ text }}
      ... on Npc {{ person: name {NPC_FIELDS.replace("name", "", 1)} }}
      ... on Location {{ place: name hooks }} ... on Item {{ kind rarity }} }} }} }} }}"""
    edges = (await loregate.data(query))["contents"]["edges"]
    item, location, npc, campaign = (edge["node"] for edge in edges)
    assert (item["kind"], item["rarity"]) == ("WAND", "RARE")
    assert campaign.keys() == {"__typename", "contentId", "text"}
    assert npc["person"] == made[1]["name"]
    assert npc["relationships"] == made[1]["relationships"]
    assert location["place"] == made[2]["name"]
    assert location["hooks"] == made[2]["hooks"]
    assert [n["contentId"] for n in (campaign, npc, location, item)] == [
        m["contentId"] for m in made
    ]


async def test_what_must_be_there_is_there(loregate: Service) -> None:
    npc = await make(loregate, "npc")
    assert npc["role"] == "QUEST_GIVER"
    assert {"to": "Ilse Vane", "nature": "a sister"} in npc["relationships"]
    location = await make(loregate, "location")
    assert location["locationType"] == "TAVERN"
    assert "Old Marta" in " ".join(location["occupants"])
    assert "hidden cellar" in " ".join(location["pointsOfInterest"])


KINDS: list[tuple[str, str, str]] = [
    *(("campaign", "type", k.name) for k in CampaignContentType),
    *(("npc", "role", k.name) for k in NpcRole),
    *(("location", "locationType", k.name) for k in LocationType),
    *(("item", "kind", k.name) for k in ItemKind),
    *(("item", "rarity", k.name) for k in ItemRarity),
]


@pytest.mark.parametrize(("name", "field", "value"), KINDS)
async def test_every_kind_is_made(loregate: Service, name: str, field: str, value: str) -> None:
    made = await make(loregate, name, **{field: value})
    if name != "campaign":
        assert made[field] == value


async def test_the_model_is_told_all_that_the_input_holds(
    with_models: Service, provider: Upstream
) -> None:
    npc = await make(with_models, "npc")
    location = await make(with_models, "location")
    await make(with_models, "campaign")
    assert npc["metadata"]["modelUsed"] == location["metadata"]["modelUsed"] == "gpt-4-turbo"
    asked = [orjson.dumps(r["messages"]).decode() for r in provider.requests]
    for said in ("short", "Ilse Vane", "a sister", "Saltmere"):
        assert said in asked[0]
    for said in ("tavern", "small", "a smugglers' market", "Old Marta", "a hidden cellar"):
        assert said in asked[1]
    for said in ("a drowned crown", "ominous"):
        assert said in asked[2]


async def test_campaign_content_continues_what_it_names(loregate: Service) -> None:
    parent = await make(loregate, "npc")
    child = await make(loregate, "campaign", parentContentId=parent["contentId"])
    assert child["parentContentId"] == parent["contentId"]
    query = "query ($id: ID!) { content(id: $id) { children { contentId } } }"
    found = await loregate.data(query, {"id": parent["contentId"]})
    assert found["content"]["children"] == [{"contentId": child["contentId"]}]


async def test_each_is_told_to_subscribers_with_its_content(loregate: Service) -> None:
    cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
    made = [await make(loregate, name) for name in EACH]
    query = """subscription ($after: String) {
      contentGenerated(contentTypes: [CAMPAIGN], after: $after) {
        contentType content { __typename contentId } } }"""
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(query, {"after": cursor})
        for one in made:
            told = await socket.next("contentGenerated")
            assert told["contentType"] == "CAMPAIGN"
            expected = {k: one[k] for k in ("__typename", "contentId")}
            assert told["content"] == expected


BAD: dict[str, tuple[str, dict[str, Any], set[str]]] = {
    "a party's level": (
        "campaign",
        {"campaignContext": {"partyLevel": 21, "partySize": 0}},
        {"input.campaignContext.partyLevel", "input.campaignContext.partySize"},
    ),
    "an unknown kind": ("campaign", {"type": "SONG"}, {"input.type"}),
    "a parent that is no id": ("campaign", {"parentContentId": "x"}, {"input.parentContentId"}),
    "an unknown role": ("npc", {"role": "king"}, {"input.role"}),
    "a trait too long": (
        "npc",
        {"traits": [{"key": "temper", "value": "x" * 4_001}]},
        {"input.traits.temper"},
    ),
    "a size too long": ("location", {"size": "x" * 4_001}, {"input.size"}),
    "an unknown model": ("location", {"model": {"name": "hal"}}, {"input.model.name"}),
    "an unknown place": ("location", {"locationType": "MOON"}, {"input.locationType"}),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_field_is_named_from_input(loregate: Service, name: str) -> None:
    operation, fields, expected = BAD[name]
    query, given, *_ = EACH[operation]
    variables = {"input": {**given, **fields}}
    body = (await loregate.graphql(query, variables)).json()
    assert set(field_errors(body)) == expected
    assert set(field_errors(await by_socket(loregate, query, variables))) == expected
    assert await loregate.counted("operation:text_generation") == 0
