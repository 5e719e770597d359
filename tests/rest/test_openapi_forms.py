"""The OpenAPI document has the forms that linters and generators of clients digest, and is true."""

from __future__ import annotations

import re

import pytest

from app.operations import OPERATIONS
from app.rest.batch import BATCH
from app.rest.openapi import openapi_document
from app.rest.openapi_answers import HEADERS, answer_example
from app.rest.responses import PROBLEM
from tests.support.openapi import held, operations, resolved, schemas
from tests.support.service import Service


def test_each_operation_has_a_name_a_tag_and_words_of_its_own() -> None:
    document, told = openapi_document(), list(operations())
    tags = {tag["name"] for tag in document["tags"]}
    assert {tag for _, o in told for tag in o["tags"]} == tags
    names = [o["operationId"] for _, o in told]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", name) for name in names)
    assert all(o["summary"] and o["description"] for _, o in told)
    assert document["servers"] == [
        {"url": "/", "description": "The gateway that this document comes from."}
    ]


def test_each_answer_tells_the_headers_that_it_has() -> None:
    limits = {h for h in HEADERS if "RateLimit" in h}
    for path, operation in operations():
        for status, answer in operation["responses"].items():
            named = answer["headers"].keys()
            assert "X-Request-ID" in named
            free = operation.get("security") == [] or status == "401"
            assert limits <= named or free, (path, status)
            assert ("Retry-After" in named) == (status in ("402", "429", "503") and not free)
            assert ("WWW-Authenticate" in named) == (status == "401")


def test_errors_are_told_in_both_forms_and_every_protected_route_has_them() -> None:
    for path, operation in operations():
        if operation.get("security") == []:
            continue
        responses = operation["responses"]
        assert {"401", "429", "500", "503"} <= responses.keys(), path
        for status in responses.keys() - {"200", "204"}:
            assert responses[status]["content"].keys() == {"application/json", PROBLEM}


def test_a_stream_is_an_operation_of_its_own() -> None:
    """A client is generated for one type of answer; two of them make a union nobody can use."""
    for path, operation in operations():
        found = operation["responses"].get("200", {}).get("content", {}).keys()
        streams = path.endswith(("/stream", "/events"))
        kind = "text/event-stream" if streams else "application/json"
        assert len(found) < 2
        assert found == {kind} or not found or path in TEXTS, path


TEXTS = ("/metrics", "/health/live", "/health/ready", "/api/v2/users/{sub}/export")


def test_ids_are_uuids_in_paths_too() -> None:
    parameters = openapi_document()["components"]["parameters"].values()
    in_paths = [p for p in parameters if p["in"] == "path"]
    assert {p["name"] for p in in_paths} == {"content_id", "generation_id"}
    assert all(p["schema"] == {"type": "string", "format": "uuid"} for p in in_paths)
    key = next(p["schema"] for p in parameters if p["name"] == "Idempotency-Key")
    assert (key["minLength"], key["maxLength"], key["pattern"]) == (1, 255, "^[!-~]+$")


def test_the_schemas_have_the_forms_that_generators_digest() -> None:
    for schema in schemas(openapi_document()["components"]["schemas"], named=True):
        for union in ("oneOf", "anyOf"):
            members = schema.get(union, [])
            assert len({str(m) for m in members}) == len(members), "a member stands there twice"
        nullable = [m for m in schema.get("anyOf", []) if m == {"type": "null"}]
        others = [m for m in schema.get("anyOf", []) if "$ref" not in m]
        assert not nullable or others == nullable, "null is one of a type's names"
        # In TypeScript's interfaces a type of further keys must fit the optional ones as well.
        further = schema.get("additionalProperties", True)
        assert isinstance(further, bool) or "properties" not in schema


def test_what_has_further_keys_bounds_them_and_what_has_none_is_closed() -> None:
    document = openapi_document()
    told = document["components"]["schemas"]
    theme = held(document, told["Theme"])
    assert theme.is_valid({"genre": None, "weather": "rain"})
    for wrong in (
        {"weather": 5},
        {"weather": None},
        {"": "x"},
        {"k" * 101: "x"},
        {"k": "x" * 4001},
    ):
        assert not theme.is_valid(wrong), wrong
    assert theme.is_valid({f"key{n}": "x" for n in range(64)})
    assert not theme.is_valid({f"key{n}": "x" for n in range(68)})
    character = held(document, told["CharacterContext"])
    assert character.is_valid({"age": 5, "alive": True, "spells": ["hex"], "character_level": 5})
    for wrong in ({"age": None}, {"age": {}}, {"spells": [5]}, {"character_level": 21}):
        assert not character.is_valid(wrong), wrong
    for name in ("Health", "HealthComponents", "HealthMetrics"):
        assert told[name]["additionalProperties"] is False
        assert set(told[name]["required"]) == told[name]["properties"].keys()


@pytest.mark.long
async def test_each_examples_body_works_and_the_examples_fit_their_schemas(
    loregate: Service,
) -> None:
    document, sent = openapi_document(), 0
    for path, operation in operations():
        for media in operation.get("requestBody", {}).get("content", {}).values():
            held(document, media["schema"]).validate(media["example"])
            if "{" in path:  # of a content that is there: test_openapi_examples sends those
                continue
            answer = await loregate.post(path, media["example"], tier="service")
            assert answer.status_code == 200, answer.text
            if "application/json" in operation["responses"]["200"]["content"]:
                told = operation["responses"]["200"]["content"]["application/json"]
                held(document, told["schema"]).validate(answer.json())
            sent += 1
        for response in operation["responses"].values():
            for media in response.get("content", {}).values():
                shown = [e["value"] for e in map(resolved, media.get("examples", {}).values())]
                shown += [media["example"]] if "example" in media else []
                assert shown or path in TEXTS or operation["operationId"] == "readHealth"
                for value in shown if "schema" in media else ():
                    held(document, media["schema"]).validate(value)
    assert sent == 2 * len(OPERATIONS) + 1
    batch = document["paths"][BATCH]["post"]["requestBody"]["content"]["application/json"]
    results = (await loregate.post(BATCH, batch["example"])).json()["results"]
    assert {r["status"] for r in results} == {200}


def test_each_stored_answer_is_of_one_kind_alone() -> None:
    document = openapi_document()
    one = held(document, document["components"]["schemas"]["Answer"])
    for operation in OPERATIONS.values():
        one.validate(answer_example(operation))
