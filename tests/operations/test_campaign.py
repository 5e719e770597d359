"""Campaign content, persons and places: written, kept, told of, and read back on either edge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.rest_bodies import CAMPAIGN, GOOD, LOCATION, NPC
from tests.support.service import Service
from tests.support.upstream import Behaviour, Upstream

COMMON = "contentId contentType createdAt metadata { modelUsed degraded }"
PERSON = """name role description personality motivations secrets
  relationships { to nature }"""
PLACE = "name locationType description pointsOfInterest occupants secrets hooks"
READ = f"""query ($id: ID!) {{ content(id: $id) {{ __typename {COMMON}
  ... on GeneratedContent {{ text parentContentId }}
  ... on Npc {{ {PERSON} }}
  ... on Location {{ {PLACE} }} }} }}"""
CAMPAIGN_CONTENT = f"""mutation ($input: GenerateCampaignContentInput!) {{
  generateCampaignContent(input: $input) {{ requestId rateLimit {{ scope }}
    content {{ {COMMON} text parentContentId }} }} }}"""
NPC_CONTENT = f"""mutation ($input: GenerateNpcInput!) {{ generateNpc(input: $input) {{
  rateLimit {{ scope }} npc {{ {COMMON} {PERSON} }} }} }}"""
LOCATION_CONTENT = f"""mutation ($input: GenerateLocationInput!) {{
  generateLocation(input: $input) {{ rateLimit {{ scope }}
    location {{ {COMMON} {PLACE} }} }} }}"""
EVENTS = """subscription ($after: String) {
  contentGenerated(contentTypes: [CAMPAIGN], after: $after) {
    type contentType contentId content { __typename contentId } } }"""
TYPES = {CAMPAIGN: "GeneratedContent", NPC: "Npc", LOCATION: "Location"}


async def test_campaign_content_is_written_over_graphql(loregate: Service) -> None:
    wish = {
        "type": "PLOT",
        "campaignContext": {
            "campaignTheme": "a drowned crown",
            "partyLevel": 5,
            "duration": "six sessions",
            "extra": [{"key": "villain", "value": "Mother Brine"}],
        },
        "theme": {"tone": "ominous"},
    }
    found = (await loregate.data(CAMPAIGN_CONTENT, {"input": wish}))["generateCampaignContent"]
    assert found["rateLimit"]["scope"] == "operation:text_generation"
    content = found["content"]
    assert content["contentType"] == "CAMPAIGN"
    for said in ("drowned crown", "six sessions", "Mother Brine"):  # level and tone steer it
        assert said in content["text"]


async def test_a_person_keeps_what_was_given_over_graphql(
    with_models: Service, provider: Upstream
) -> None:
    wish = {
        "role": "QUEST_GIVER",
        "context": {"setting": "Saltmere"},
        "traits": [{"key": "temper", "value": "short"}],
        "relationships": [
            {"key": "Ilse Vane", "value": "a sister"},
            {"key": "the Watch", "value": "owes them money"},
        ],
    }
    npc = (await with_models.data(NPC_CONTENT, {"input": wish}))["generateNpc"]["npc"]
    assert (npc["name"], npc["role"], npc["contentType"]) == (
        "Odile Vell",
        "QUEST_GIVER",
        "CAMPAIGN",
    )
    assert npc["relationships"] == [
        {"to": "Ilse Vane", "nature": "a sister"},
        {"to": "the Watch", "nature": "owes them money"},
    ]
    prompt = provider.requests[-1]["messages"][1]["content"]
    assert '"temper": "short"' in prompt


async def test_a_place_has_all_its_fields_over_graphql(loregate: Service) -> None:
    wish = {
        "locationType": "SHOP",
        "context": {"setting": "Saltmere"},
        "size": "small",
        "purpose": "a smugglers' market",
        "occupants": ["Old Marta"],
        "features": ["a hidden cellar"],
    }
    found = await loregate.data(LOCATION_CONTENT, {"input": wish})
    place = found["generateLocation"]["location"]
    assert place["locationType"] == "SHOP"
    assert "small shop" in place["description"].lower()
    assert "a smugglers' market" in place["description"]
    assert any("Old Marta" in who for who in place["occupants"])
    assert any("hidden cellar" in point for point in place["pointsOfInterest"])
    assert place["secrets"]
    assert len(place["hooks"]) == 2


@pytest.mark.parametrize("path", TYPES)
async def test_what_rest_made_is_read_back_on_both_edges_and_told_in_an_event(
    loregate: Service, path: str
) -> None:
    cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
    made = (await loregate.post(path, GOOD[path])).json()
    read: Any = (await loregate.get(f"/api/v2/content/{made['content_id']}")).json()
    assert read == made
    content = (await loregate.data(READ, {"id": made["content_id"]}))["content"]
    assert content["__typename"] == TYPES[path]
    if path == NPC:
        ties = {r["to"]: r["nature"] for r in content["relationships"]}
        assert ties == made["relationships"]
    for field, key in (("text", "content"), ("name", "name"), ("hooks", "hooks")):
        assert content.get(field) == made.get(key)
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(EVENTS, {"after": cursor})
        event = await socket.next("contentGenerated")
    assert (event["type"], event["contentType"]) == ("CONTENT_GENERATED", "CAMPAIGN")
    assert event["content"] == {"__typename": TYPES[path], "contentId": made["content_id"]}


async def test_a_bad_input_names_its_camel_case_path(loregate: Service) -> None:
    wish = {
        "role": "ALLY",
        "context": {"partyLevel": 21},
        "traits": [{"key": "temper", "value": "short"}],
    }
    [error] = (await loregate.graphql(NPC_CONTENT, {"input": wish})).json()["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["field"] == "input.context.partyLevel"


async def test_a_person_without_a_given_relationship_is_asked_for_again(
    with_models: Service, provider: Upstream
) -> None:
    person = {"name": "Odile", "description": "Tall.", "personality": "Dry.", "motivations": ["x"]}
    provider.then(Behaviour(text=json.dumps({**person, "secrets": [], "relationships": []})))
    found = (await with_models.post(NPC, GOOD[NPC])).json()
    assert found["relationships"] == {"Ilse Vane": "a sister"}
    again = provider.requests[-1]["messages"][-1]["content"]
    assert "relationships: Ilse Vane missing" in again
