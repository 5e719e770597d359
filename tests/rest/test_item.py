"""Magic items over REST: every field of the contract, kept and read back, refused by name."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from tests.support.rest_bodies import GOOD, ITEM, TEXT, changed
from tests.support.service import Service
from tests.support.upstream import Upstream

KINDS = "weapon armor potion ring rod scroll staff wand wondrous"
RARITIES = "common uncommon rare very_rare legendary artifact"
FIELDS = "content_id name kind rarity attunement description properties history drawback found"


async def test_an_item_has_every_field_of_the_contract(loregate: Service) -> None:
    answer = await loregate.post(ITEM, changed(ITEM, rarity="artifact"))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {*FIELDS.split(), "parent_content_id", "metadata"}
    assert (body["kind"], body["rarity"], body["parent_content_id"]) == ("wand", "artifact", None)
    for field in ("name", "attunement", "description", "history", "drawback", "found"):
        assert body[field].strip()
    for found in body["properties"]:
        assert found.keys() == {"name", "effect", "charges", "recharge"}
    assert body["metadata"]["content_type"] == "campaign"


async def test_each_kind_and_each_rarity_of_the_contract_is_answered(loregate: Service) -> None:
    for field, values in (("kind", KINDS), ("rarity", RARITIES)):
        for value in values.split():
            body = (await loregate.post(ITEM, changed(ITEM, **{field: value}))).json()
            assert body[field] == value
            assert body["properties"]


async def test_without_a_rarity_it_is_the_usual_one_of_the_partys_level(
    loregate: Service,
) -> None:
    for level, rarity in ((3, "uncommon"), (5, "rare"), (12, "very_rare"), (20, "legendary")):
        asked = {"kind": "ring", "rarity": None, "context": {"party_level": level}}
        assert (await loregate.post(ITEM, asked)).json()["rarity"] == rarity


async def test_an_item_is_kept_as_it_was_answered(loregate: Service) -> None:
    made = await loregate.post(ITEM, GOOD[ITEM])
    kept = await loregate.get(f"/api/v2/content/{made.json()['content_id']}")
    assert kept.content == made.content


async def test_an_item_continues_what_its_parent_told(
    with_models: Service, provider: Upstream
) -> None:
    parent = (await with_models.post(TEXT, GOOD[TEXT])).json()
    asked = changed(ITEM, parent_content_id=parent["content_id"])
    body = (await with_models.post(ITEM, asked)).json()
    assert body["parent_content_id"] == parent["content_id"]
    prompt = provider.requests[-1]["messages"][1]["content"]
    assert "Go on from the text in `continues`" in prompt
    assert parent["content"] in prompt


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kind": "sandwich"}, "kind"),
        ({"rarity": "unique"}, "rarity"),
        ({"context": None}, "context"),
        ({"context": {"party_level": 0}}, "context.party_level"),
        ({"parent_content_id": str(uuid4())}, "parent_content_id"),
    ],
)
async def test_a_bad_item_request_is_refused_by_its_field(
    loregate: Service, fields: dict[str, Any], field: str
) -> None:
    answer = await loregate.post(ITEM, changed(ITEM, **fields))
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    assert answer.json()["details"]["field"] == field


async def test_an_item_needs_the_campaigns_permission(loregate: Service) -> None:
    refused = await loregate.post(ITEM, GOOD[ITEM], permissions=["text:generate"])
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    assert refused.json()["details"]["required_permission"] == "campaign:generate"


async def test_the_same_key_gives_the_same_item_and_calls_no_model_twice(
    with_models: Service, provider: Upstream
) -> None:
    headers = {**with_models.headers(), "Idempotency-Key": "one-wand"}
    asked = [await with_models.http.post(ITEM, json=GOOD[ITEM], headers=headers) for _ in range(2)]
    assert asked[0].json()["content_id"] == asked[1].json()["content_id"]
    assert len(provider.requests) == 1
    other = await with_models.http.post(ITEM, json=changed(ITEM, kind="ring"), headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "IDEMPOTENCY_CONFLICT")


async def test_an_item_is_told_of_in_an_event(loregate: Service) -> None:
    cursor = (await loregate.data("{ eventCursor }"))["eventCursor"]
    made = (await loregate.post(ITEM, GOOD[ITEM])).json()
    query = """subscription ($after: String) { contentGenerated(after: $after) {
      type contentType contentId } }"""
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(query, {"after": cursor})
        event = await socket.next("contentGenerated")
    assert (event["type"], event["contentType"]) == ("CONTENT_GENERATED", "CAMPAIGN")
    assert event["contentId"] == made["content_id"]
