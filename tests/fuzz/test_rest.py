"""REST under generated requests: those that fit the OpenAPI document, and those that do not."""

from __future__ import annotations

import asyncio
from typing import Any

import requests
import schemathesis
from hypothesis import given
from schemathesis.core.result import Ok

from app.rest.openapi import openapi_document
from tests.support.fuzzing import PATIENCE, cases, examples, unharmed, user, users
from tests.support.service import Service

FEW = 108
MODES = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)


def streams(operation: Any) -> bool:
    """Whether it is answered without an end, maybe."""
    told = operation.definition.raw["responses"].get("200", {}).get("content", {})
    return "text/event-stream" in told


def answered(case: Any, url: str, headers: dict[str, str]) -> requests.Response:
    """The answer to a case; of a stream the head, and what comes at once."""
    if case.headers:  # only the storyteller is here, which is simpler than any model
        case.headers.pop("X-Allow-Degraded", None)
    sent = case.as_transport_kwargs(base_url=url, headers=headers)
    with requests.request(**sent, timeout=PATIENCE, stream=True) as response:
        if "text/event-stream" in response.headers.get("content-type", ""):
            next(response.iter_content(64), b"")
        else:
            response.raw.read()
        return response


async def test_no_request_makes_rest_fail(loregate: Service) -> None:
    api = schemathesis.openapi.from_dict(openapi_document())
    operations = [found.ok() for found in api.get_all_operations() if isinstance(found, Ok)]
    seen: set[int] = set()

    def of(operation: Any) -> None:
        fitting, others = (operation.as_strategy(generation_mode=mode) for mode in MODES)
        takes_something = operation.body or operation.path_parameters or operation.query

        @examples(cases(FEW, len(operations)))
        @given(case=fitting | others if takes_something else fitting, number=users)
        def run(case: Any, number: int) -> None:
            response = answered(case, loregate.url, user(number))
            assert response.status_code < 500, (response.status_code, response.text)
            seen.add(response.status_code)

        run()

    async with unharmed(loregate):
        for operation in operations:
            await asyncio.to_thread(of, operation)
    assert seen >= {200, 400, 404}
