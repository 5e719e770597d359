"""REST v2 over a real socket: what the legacy services send, and what they get."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson
import pytest
from redis import Redis

from app.operations import OPERATIONS
from tests.support import service
from tests.support.rest_bodies import (
    CAMPAIGN,
    GOOD,
    LOCATION,
    NPC,
    STORY,
    TEXT,
    THEME,
    VALIDATION,
    changed,
    context,
    rules,
    send,
)
from tests.support.service import Service
from tests.support.upstream import Upstream

SETS = {
    (TEXT, "type"): "backstory personality combat equipment",
    (CAMPAIGN, "type"): "plot location quest dialogue event",
    (NPC, "role"): "ally antagonist merchant quest_giver lore_keeper mentor neutral",
    (LOCATION, "location_type"): "town dungeon wilderness landmark building shop tavern",
    (STORY, "element_type"): "plot quest scene dialogue description event",
}
ELEMENTS = "tone mood setting conflict symbolism character_focus story_structure world_building"
CATEGORIES = "fantasy horror mystery adventure drama comedy heroic dark epic"
METADATA = {
    *("content_type", "model_used", "token_usage", "request_id"),
    *("created_at", "cached", "degraded"),
}
KEYS = {
    TEXT: "content_id content parent_content_id",
    CAMPAIGN: "content_id content parent_content_id",
    STORY: "content_id element_type content summary parent_element_id child_elements",
    NPC: "content_id name role description personality motivations secrets relationships",
    LOCATION: "content_id name location_type description points_of_interest occupants "
    "secrets hooks",
    THEME: "content_id primary_category secondary_categories category_confidence elements "
    "compatibility overall_score summary",
    VALIDATION: "content_id overall_score passed results summary",
}
CONTENT_TYPES = {
    **{TEXT: "character", STORY: "story", THEME: "theme", VALIDATION: "validation"},
    **dict.fromkeys((CAMPAIGN, NPC, LOCATION), "campaign"),
}
RATE_LIMIT = {f"x-ratelimit-{k}" for k in ("limit", "remaining", "reset", "scope")}


def hold(path: str, answer: httpx2.Response) -> Any:
    """The answer's body, once it has what the contract lists."""
    assert answer.status_code == 200, answer.text
    body = answer.json()
    operation = next(o for o in OPERATIONS.values() if o.path == path)
    operation.answer_type.model_validate(body)
    assert {*KEYS[path].split(), "metadata"} <= body.keys()
    metadata = body["metadata"]
    assert metadata.keys() >= METADATA
    assert metadata["content_type"] == CONTENT_TYPES[path]
    assert metadata["request_id"] == answer.headers["x-request-id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+\+00:00", metadata["created_at"])
    usage = metadata["token_usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    assert answer.headers.keys() >= RATE_LIMIT
    return body


# -- what is answered
async def test_each_value_of_each_closed_set_is_answered_as_the_contract_says(
    loregate: Service,
) -> None:
    for (path, field), values in SETS.items():
        for value in values.split():
            body = hold(path, await loregate.post(path, changed(path, **{field: value})))
            assert body.get("content", body.get("description", "")).strip()
            assert body.get(field, value) == value


async def test_a_story_tells_its_parent_and_has_no_children_yet(loregate: Service) -> None:
    parent = (await loregate.post(TEXT, GOOD[TEXT])).json()["content_id"]
    body = hold(STORY, await loregate.post(STORY, changed(STORY, parent_element_id=parent)))
    assert (body["parent_element_id"], body["child_elements"]) == (parent, [])
    text = hold(TEXT, await loregate.post(TEXT, changed(TEXT, parent_content_id=parent)))
    assert text["parent_content_id"] == parent


async def test_an_analysis_has_exactly_the_asked_elements_in_the_asked_order(
    loregate: Service,
) -> None:
    everything = hold(THEME, await loregate.post(THEME, GOOD[THEME]))
    assert [e["element"] for e in everything["elements"]] == ELEMENTS.split()
    assert everything["compatibility"] is None
    asked = ["character_focus", "tone", "tone", "world_building"]
    body = hold(THEME, await loregate.post(THEME, changed(THEME, elements=asked)))
    assert [e["element"] for e in body["elements"]] == ["character_focus", "tone", "world_building"]
    assert body["elements"][0].keys() == {"element", "score", "description", "suggestions"}


DREAD = """Something that had no eyes came up the cellar steps after her. She clawed at the locked
door and screamed, and the dead thing whispered her name, and its cold fingers closed on her ankle.
In the dark behind it the graves stood open, and what had lain in them was crawling."""


async def test_only_the_categories_of_the_filter_are_answered(loregate: Service) -> None:
    decided = {}
    for category in CATEGORIES.split():
        asked = changed(THEME, content=DREAD, category_filter=[category], elements=["tone"])
        body = hold(THEME, await loregate.post(THEME, asked))
        assert body["primary_category"] in (category, "undecided")
        assert body["secondary_categories"] == []
        decided[category] = body["primary_category"] == category
    assert decided["horror"]


async def test_a_target_theme_brings_the_compatibility(loregate: Service) -> None:
    asked = changed(THEME, current_theme={"genre": "horror"}, target_theme={"genre": "comedy"})
    found = hold(THEME, await loregate.post(THEME, asked))["compatibility"]
    assert found.keys() == {"score", "conflicts", "enhancements", "transition_steps"}


async def test_rules_of_every_category_are_judged_in_their_order(loregate: Service) -> None:
    given = str(uuid4())
    asked = [
        {"category": c, "name": f"the {c} rule"}
        for c in ["theme", "quality", "consistency", "rules", "custom"]
    ]
    asked[1]["id"] = given
    wish = changed(VALIDATION, rules=asked, theme={"tone": "dark"}, context={"level": [1, {}]})
    first = hold(VALIDATION, await loregate.post(VALIDATION, wish))
    again = hold(VALIDATION, await loregate.post(VALIDATION, wish, sub="bob"))
    ids = [r["rule_id"] for r in first["results"]]
    assert ids == [r["rule_id"] for r in again["results"]]
    assert ids[1] == given
    assert len({UUID(found) for found in ids}) == 5


async def test_a_failed_validation_is_a_200_and_only_required_rules_decide(
    loregate: Service,
) -> None:
    rule = {"category": "quality", "name": "long", "parameters": {"min_words": 5000}}
    body = hold(VALIDATION, await loregate.post(VALIDATION, changed(VALIDATION, rules=[rule])))
    assert not body["passed"]
    (result,) = body["results"]
    assert result.keys() == {"rule_id", "judged", "passed", "score", "issues"}
    assert result["issues"][0].keys() == {"severity", "message", "location", "suggestions"}
    optional = changed(VALIDATION, rules=[{**rule, "is_required": False}])
    assert hold(VALIDATION, await loregate.post(VALIDATION, optional))["passed"]


async def test_a_stored_answer_is_read_as_it_was_answered_and_by_its_owner_alone(
    loregate: Service,
) -> None:
    for path, asked in GOOD.items():
        made = await loregate.post(path, asked)
        place = f"/api/v2/content/{made.json()['content_id']}"
        read = await loregate.get(place)
        assert read.content == made.content
        assert read.headers.keys() >= RATE_LIMIT
        assert (await loregate.get(place, sub="bob")).status_code == 404
    for unknown in (uuid4(), "42", "%00", "x" * 3000):
        answer = await loregate.get(f"/api/v2/content/{unknown}")
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


# -- what is taken
async def test_old_callers_ways_are_taken(with_models: Service, provider: Upstream) -> None:
    """`parameters`, numbers as strings, null for what is left out, and unknown fields."""
    asked = {
        "type": "combat",
        "parameters": {"character_level": "5", "sworn_enemy": "Vexis", "spells": ["hex", "fly"]},
        "character_context": None,
        "theme": None,
        "model": {"temperature": "0.25", "max_tokens": "321", "seed": "7"},
        "parent_content_id": None,
        "trace": {"of": "another time"},
    }
    hold(TEXT, await with_models.post(TEXT, asked))
    sent = provider.requests[-1]
    assert (sent["temperature"], sent["max_completion_tokens"], sent["seed"]) == (0.25, 321, 7)
    prompt = sent["messages"][1]["content"]
    assert '"character_level": 5' in prompt
    assert "Vexis" in prompt
    assert '"hex"' in prompt
    assert "another time" not in prompt
    story = changed(STORY, parameters=None, theme=None, model=None, parent_element_id=None)
    hold(STORY, await with_models.post(STORY, story))
    campaign = {"type": "plot", "campaign_context": None, "parameters": {"party_size": "4"}}
    hold(CAMPAIGN, await with_models.post(CAMPAIGN, campaign))
    npc = changed(NPC, traits=None, relationships=None, theme=None, model=None)
    hold(NPC, await with_models.post(NPC, npc))
    place = changed(LOCATION, occupants=None, features=None, theme=None, model=None)
    hold(LOCATION, await with_models.post(LOCATION, place))
    theme = changed(THEME, current_theme=None, target_theme=None, elements=None)
    hold(THEME, await with_models.post(THEME, theme | {"category_filter": None}))
    validation = changed(VALIDATION, theme=None, context=None)
    hold(VALIDATION, await with_models.post(VALIDATION, validation))


async def test_texts_with_nul_and_other_strange_characters_are_carried(
    with_models: Service, provider: Upstream
) -> None:
    strange = "Zo\u00eb\0 \U0001f409 \u202e\u2028"
    hold(TEXT, await with_models.post(TEXT, context(name=strange)))
    prompt = "".join(m["content"] for m in provider.requests[-1]["messages"])
    assert orjson.dumps(strange).decode()[1:-1] in prompt


async def test_several_bad_fields_are_all_named_the_first_one_first(loregate: Service) -> None:
    asked = {"type": "poem", "character_context": {"character_level": 0}, "model": {"seed": "a"}}
    details = (await loregate.post(TEXT, asked)).json()["details"]
    assert details["field"] == "type"
    named = [e["field"] for e in details["errors"]]
    assert named == ["type", "character_context.character_level", "model.seed"]


async def test_the_largest_that_is_allowed_is_taken(loregate: Service) -> None:
    hold(TEXT, await loregate.post(TEXT, context(**{f"key{n}": n for n in range(64)})))
    most = changed(TEXT, model={"max_tokens": 4096, "temperature": 2}) | {
        "character_context": {"character_level": 20, "home": "x" * 4000}
    }
    hold(TEXT, await loregate.post(TEXT, most))
    hold(THEME, await loregate.post(THEME, {"content": "x" * 50_000, "elements": ["tone"]}))
    hold(VALIDATION, await loregate.post(VALIDATION, changed(VALIDATION, rules=rules(20))))


NOT_JSON = {
    "empty": b"",
    "cut": b'{"type": ',
    "a list": b"[]",
    "null": b"null",
    "a hundred thousand levels": b"[" * 100_000,
    "levels that close": b'{"content": ' + b"[" * 60_000 + b"]" * 60_000 + b"}",
    "invalid UTF-8": b'{"content": "\xff\xfe"}',
    "a lone surrogate": rb'{"content": "\ud800"}',
    "a number of 5,000 digits": b'{"content": ' + b"1" * 5000 + b"}",
}


async def test_what_is_no_json_object_is_a_400_and_no_more(loregate: Service) -> None:
    for name, body in NOT_JSON.items():
        answer = await send(loregate, THEME, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST"), name


async def test_nan_and_infinity_are_refused_wherever_they_stand(loregate: Service) -> None:
    for number in (b"NaN", b"Infinity", b"1e999"):
        for place in (b'"character_context": {"age": %s}', b'"model": {"temperature": %s}'):
            body = b'{"type": "combat", "parameters": {}, %s}' % (place % number)
            answer = await send(loregate, TEXT, body)
            assert answer.status_code == 400, (number, place)


async def test_a_body_over_256_kb_is_a_413_with_and_without_its_length_told(
    loregate: Service,
) -> None:
    async def chunks(size: int) -> AsyncIterator[bytes]:
        for start in range(0, size, 4096):
            yield b" " * min(4096, size - start)

    fitting, over = 256 * 1024, 256 * 1024 + 1
    for body in (b" " * over, chunks(over)):
        answer = await send(loregate, TEXT, body)
        assert (answer.status_code, answer.json()["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert answer.headers.keys() >= RATE_LIMIT
    for body in (b" " * fitting, chunks(fitting)):
        assert (await send(loregate, TEXT, body)).status_code == 400


async def test_an_unknown_model_is_named_with_the_configured_ones(loregate: Service) -> None:
    answer = await loregate.post(TEXT, changed(TEXT, model={"name": "gpt-9"}))
    details = answer.json()["details"]
    assert (answer.status_code, details["field"]) == (400, "model.name")
    for name in ("gpt-4-turbo", "gpt-3.5-turbo", "storyteller"):
        assert name in details["error"]


# -- what an answer carries
async def test_a_request_id_is_echoed_when_it_is_well_formed_else_made(loregate: Service) -> None:
    for sent in ("a", "Trace.1_b-c", "x" * 128):
        headers = {**loregate.headers(), "X-Request-ID": sent}
        answer = await loregate.http.get("/api/v2/nothing", headers=headers)
        assert answer.headers["x-request-id"] == answer.json()["details"]["request_id"] == sent
    for wrong in (b"", b"x" * 129, b"two words", b"a\tb", "é".encode()):
        answer = await loregate.http.get("/health", headers={b"X-Request-ID": wrong})
        assert UUID(answer.headers["x-request-id"])


async def test_refused_requests_count_for_user_and_all_and_for_no_operation(
    loregate: Service,
) -> None:
    plain = {**loregate.headers(), "Content-Type": "text/plain"}
    packed = {**loregate.headers(), "Content-Encoding": "gzip"}
    sent = [
        (400, loregate.post(TEXT, {})),
        (400, send(loregate, TEXT, b"{")),
        (403, loregate.post(TEXT, GOOD[TEXT], permissions=["theme:analyze"])),
        (403, loregate.get(f"/api/v2/content/{uuid4()}", permissions=[])),
        (404, loregate.get(f"/api/v2/content/{uuid4()}")),
        (404, loregate.get("/api/v2/nothing")),
        (405, loregate.get(TEXT)),
        (413, send(loregate, TEXT, b" " * 300_000)),
        (415, loregate.http.post(TEXT, content="{}", headers=plain)),
        (415, loregate.http.post(TEXT, content="{}", headers=packed)),
    ]
    for count, (status, request) in enumerate(sent, 1):
        answer = await request
        assert answer.status_code == status, answer.text
        assert answer.headers["x-ratelimit-remaining"] == str(1000 - count)
        assert answer.headers["x-ratelimit-scope"] == "user"
    used = await loregate.data("{ rateLimits { scope limit remaining } }")
    taken = {x["scope"]: x["limit"] - x["remaining"] for x in used["rateLimits"]}
    assert taken["user"] == taken["global"] == len(sent) + 1
    assert {n for s, n in taken.items() if s.startswith(("operation:", "model:"))} == {0}


async def test_the_101st_text_in_a_minute_waits(loregate: Service) -> None:
    for first in range(0, 100, 20):
        answers = await asyncio.gather(*(loregate.post(TEXT, GOOD[TEXT]) for _ in range(20)))
        assert {a.status_code for a in answers} == {200}
        left = sorted(int(a.headers["x-ratelimit-remaining"]) for a in answers)
        assert left == list(range(80 - first, 100 - first))
    refused = await loregate.post(STORY, GOOD[STORY])
    details, headers = refused.json()["details"], refused.headers
    assert (refused.status_code, refused.json()["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert details["scope"] == headers["x-ratelimit-scope"] == "operation:text_generation"
    assert (details["limit"], details["window"]) == (100, "60 seconds")
    assert details["retry_after"] == f"{headers['retry-after']} seconds"
    assert 0 < details["retry_after_ms"] <= 1000 * int(headers["retry-after"]) <= 60_000
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("100", "0")
    assert (await loregate.post(THEME, GOOD[THEME])).status_code == 200
    assert (await loregate.post(TEXT, GOOD[TEXT], sub="bob")).status_code == 200


async def test_only_the_needed_permission_opens_a_route(loregate: Service) -> None:
    needed = {
        **dict.fromkeys((TEXT, CAMPAIGN), "text:generate"),
        **dict.fromkeys((STORY, NPC, LOCATION), "campaign:generate"),
        THEME: "theme:analyze",
        VALIDATION: "content:validate",
    }
    for path, permission in needed.items():
        others = sorted({p for p in needed.values() if p != permission})
        refused = await loregate.post(path, GOOD[path], permissions=others)
        assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
        assert refused.json()["details"]["required_permission"] == permission
        assert (await loregate.post(path, GOOD[path], permissions=[permission])).is_success


@pytest.mark.parametrize(
    ("reason", "headers"),
    [
        ("missing", {}),
        ("malformed", {"Authorization": "Basic YTpi"}),
        ("malformed", {"Authorization": "Bearer nonsense"}),
        ("expired", {"Authorization": f"Bearer {service.token(exp=1)}"}),
        ("not_yet_valid", {"Authorization": f"Bearer {service.token(nbf=9_999_999_999)}"}),
        ("invalid", {"Authorization": f"Bearer {service.token(type='refresh')}"}),
        ("revoked", {"Authorization": f"Bearer {service.token(jti='gone')}"}),
    ],
)
async def test_a_bad_token_is_a_401_before_anything_is_read(
    loregate: Service, redis_url: str, reason: str, headers: dict[str, str]
) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.set("loregate:revoked:gone", 1)
    for path in (TEXT, "/api/v2/nothing", f"/api/v2/content/{uuid4()}"):
        method = "GET" if "content/" in path else "POST"
        answer = await loregate.http.request(method, path, headers=headers, json=GOOD[TEXT])
        assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
        assert answer.json()["details"]["reason"] == reason
        assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_routes_say_which_methods_they_take(loregate: Service) -> None:
    for method, path, allow in [
        ("GET", TEXT, "POST"),
        ("DELETE", THEME, "POST"),
        ("POST", f"/api/v2/content/{uuid4()}", "DELETE, GET, HEAD"),
        ("GET", "/api/v2/batch", "POST"),
        ("POST", "/health", "GET, HEAD"),
    ]:
        answer = await loregate.http.request(method, path, headers=loregate.headers())
        assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == allow
