"""The OpenAPI document: it is valid, it is true, and its examples work."""

from __future__ import annotations

import asyncio
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from openapi_pydantic import OpenAPI
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Route

from app.operations import OPERATIONS, Operation
from app.rest.openapi import openapi_document
from tests.support.openapi import held, resolved, schemas
from tests.support.rest_bodies import GOOD, THEME, VALIDATION, changed
from tests.support.service import Service

# JSON Schema's own words (draft 2020-12), as far as anything here may use them.
WORDS = {
    *("$ref", "additionalProperties", "anyOf", "const", "description", "enum", "examples"),
    *("exclusiveMaximum", "format", "items", "maxItems", "maxLength", "maxProperties"),
    *("maximum", "minItems", "minLength", "minimum", "oneOf", "patternProperties", "properties"),
    *("propertyNames", "required", "type", "uniqueItems"),
}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_the_document_is_openapi_3_1() -> None:
    document = openapi_document()
    OpenAPI.model_validate(document)
    assert document["openapi"] == "3.1.0"
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})


def test_every_bound_is_said_in_json_schemas_own_words() -> None:
    for schema in schemas(openapi_document()["components"]["schemas"], named=True):
        assert schema.keys() <= WORDS, schema
    levels = openapi_document()["components"]["schemas"]["CharacterContext"]["properties"]
    level = levels["character_level"]
    assert (level["minimum"], level["maximum"]) == (1, 20)


# What the document need not tell: GraphQL, itself and the pages, and the answer of 404.
UNTOLD = (
    *("/graphql", "/api/v2/openapi.json", "/api/v2/docs", "/api/v2/{rest:path}"),
    *("/api/v2/asyncapi.json", "/api/v2/errors", "/api/v2/errors/{code}"),
    *("/console", "/console/session", "/console/static/{path:path}"),
)


async def test_the_document_has_every_route_of_the_service_and_no_other(loregate: Service) -> None:
    routes = [r for r in loregate.app.routes if isinstance(r, Route) and r.path not in UNTOLD]
    served = {
        (r.path.replace(":path", ""), method)
        for r in routes
        for method in (r.methods or set()) - {"HEAD"}
    }
    told = {
        (path, name.upper())
        for path, item in openapi_document()["paths"].items()
        for name in item.keys() - {"parameters"}
    }
    assert told == served


def test_each_operation_says_what_it_takes_and_answers() -> None:
    paths = openapi_document()["paths"]
    for operation in OPERATIONS.values():
        described = paths[operation.path]["post"]
        assert operation.permission in described["description"]
        statuses = "200 400 401 402 403 409 413 415 429 500 502 503 504"
        assert described["responses"].keys() == set(statuses.split())
        assert {resolved(p)["name"] for p in described["parameters"]} == {
            *("Idempotency-Key", "Cache-Control", "X-Allow-Degraded", "X-On-Disconnect"),
        }
        assert {"X-Cache", "Age", "X-Similarity"} < described["responses"]["200"]["headers"].keys()
    deleting = paths["/api/v2/content/{content_id}"]["delete"]["responses"]
    assert deleting.keys() == {"204", "401", "403", "404", "429", "500", "503"}
    assert "content" not in deleting["204"]


async def test_the_document_is_served_without_a_token_as_it_was_made(loregate: Service) -> None:
    answer = await loregate.http.get("/api/v2/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == openapi_document()


async def test_good_bodies_and_their_answers_fit_the_document(loregate: Service) -> None:
    document = openapi_document()
    for path, body in GOOD.items():
        described = document["paths"][path]["post"]
        asked = described["requestBody"]["content"]["application/json"]["schema"]
        assert held(document, asked).is_valid(body)
        assert not held(document, asked).is_valid(changed(path, theme=5, content=5))
        answer = await loregate.post(path, body)
        told = described["responses"]["200"]["content"]["application/json"]["schema"]
        held(document, told).validate(answer.json())


UNDECIDED = {
    THEME: {"content": "Los soldados volvieron al amanecer con las manos vacías, y nadie preguntó.",
            "target_theme": {"tone": "grim"}},
    VALIDATION: {"content": "She gave the ring back to the river.", "content_type": "story",
                 "rules": [{"category": "custom", "name": "a deserved ending"}]},
}  # fmt: skip


@pytest.mark.parametrize("path", UNDECIDED)
async def test_what_was_not_judged_fits_the_document(loregate: Service, path: str) -> None:
    document = openapi_document()
    answer = (await loregate.post(path, UNDECIDED[path])).json()
    if path == THEME:
        assert (answer["primary_category"], answer["compatibility"]["score"]) == ("undecided", None)
    else:
        assert [(r["judged"], r["passed"]) for r in answer["results"]] == [(False, None)]
    told = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]
    held(document, told["schema"]).validate(answer)


def operation_id(operation: Operation[Any, Any]) -> str:
    found: str = openapi_document()["paths"][operation.path]["post"]["operationId"]
    return found


MET = {
    **{operation_id(o): {200, 400} for o in OPERATIONS.values()},
    **{"runBatch": {200, 400}, "readContent": {404}, "deleteContent": {404}, "readHealth": {200}},
    **{"readGeneration": {404}, "followGeneration": {404}, "cancelGeneration": {404}},
    **{"rateContent": {404}, "readRating": {404}, "reportRatings": {200}},
    **{"generateStoryStream": {200, 400}, "readMetrics": {200}},
    **{"exportUser": {200, 400}, "eraseUser": {200, 400}},
}


@pytest.mark.long
@pytest.mark.parametrize("name", MET)
async def test_whatever_is_sent_gets_what_the_document_says(loregate: Service, name: str) -> None:
    """Bodies that fit the document and bodies that do not: no 5xx, no status it does not name."""
    api = schemathesis.openapi.from_dict(openapi_document())
    operation = next(
        one
        for one in (found.ok() for found in api.get_all_operations() if isinstance(found, Ok))
        if one.definition.raw["operationId"] == name
    )
    headers = loregate.headers(tier="service")
    seen: set[int] = set()
    cases = operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE)
    if name not in ("readHealth", "readMetrics"):  # which takes nothing that could be wrong
        cases |= operation.as_strategy(generation_mode=schemathesis.GenerationMode.NEGATIVE)

    @settings(
        max_examples=50,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def examples(case: schemathesis.Case[Any]) -> None:
        if case.headers:  # only the storyteller is here, which is simpler than any
            case.headers.pop("X-Allow-Degraded", None)
        response = case.call(base_url=loregate.url, headers=headers)
        case.validate_response(response, checks=CHECKS)
        seen.add(response.status_code)

    await asyncio.to_thread(examples)
    assert seen >= MET[name], seen
