"""REST under generated requests: those that fit the OpenAPI document, and those that do not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.core.result import Ok

from app.rest.openapi import openapi_document
from tests.support.fuzzing import PATIENCE, cases, examples, unharmed, user, users
from tests.support.service import Service

pytestmark = pytest.mark.long

FEW = 108
# What the headers may ask for, well or not; the document says only that they are texts.
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "Cache-Control": st.sampled_from(
            [
                "no-store",
                "no-cache, max-age=5",
                "max-age=x",
                "similar=nan",
                "similar=0.5",
                "=,=",
                '"',
            ]
        ),
        "Idempotency-Key": st.sampled_from(["a", "b", "", "é", "x" * 256]),
        "X-On-Disconnect": st.sampled_from(["continue", "cancel", "CANCEL ", "perhaps"]),
        "Accept": st.sampled_from(
            ["text/event-stream", "application/problem+json", "text/*;q=x", "", ","]
        ),
    },
)
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
            _ = response.content  # which reads it
        return response


async def test_no_request_makes_rest_fail(loregate: Service) -> None:
    api = schemathesis.openapi.from_dict(openapi_document())
    operations = [found.ok() for found in api.get_all_operations() if isinstance(found, Ok)]
    seen: set[int] = set()

    def of(operation: Any) -> None:
        fitting, others = (operation.as_strategy(generation_mode=mode) for mode in MODES)
        takes_something = operation.body or operation.path_parameters or operation.query

        @examples(cases(FEW, len(operations)))
        @given(
            case=fitting | others if takes_something else fitting,
            number=users,
            asked=st.just({}) | ASKED,
        )
        def run(case: Any, number: int, asked: dict[str, str]) -> None:
            encoded = {name: value.encode() for name, value in asked.items()}
            response = answered(case, loregate.url, {**user(number), **encoded})
            assert response.status_code < 500, (response.status_code, response.text)
            seen.add(response.status_code)

        run()

    async with unharmed(loregate):
        for operation in operations:
            await asyncio.to_thread(of, operation)
    assert seen >= {200, 400, 404}
