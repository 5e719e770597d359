"""POST /api/v2/batch: several operations in one request, each as if it had come alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from app.errors import GatewayError, InvalidRequest, NotFound
from app.operations import OPERATIONS
from app.operations.bodies import check_values
from app.pipeline.answer import Answer
from app.pipeline.context import RequestContext
from app.pipeline.directives import Directives
from app.pipeline.gateway import MAX_BATCH, Asked, Gateway
from app.rest.responses import error_body

BATCH = "/api/v2/batch"
MAX_ID_CHARACTERS = 128  # characters

BY_PATH = {o.path: o for o in OPERATIONS.values()}


async def run(
    gateway: Gateway, context: RequestContext, body: bytes, given: Directives
) -> dict[str, Any]:
    """`{"results": [{id, status, body}]}`, in the given order.

    Raises:
        InvalidRequest: the batch itself is wrong; nothing of it ran.
    """
    items = _read(body)
    outcomes = await gateway.batch(context, [_asked(item, given) for item in items])
    found = zip(items, outcomes, strict=True)
    return {"results": [_result(item["id"], o, context.request_id) for item, o in found]}


def _asked(item: dict[str, Any], given: Directives) -> Asked | GatewayError:
    operation = BY_PATH.get(item["path"])
    if operation is None:
        return NotFound(f"A batch takes no such path; it takes {', '.join(BY_PATH)}")
    return Asked(operation, item["body"], partial(_own, given, item["id"]))


def _result(name: str, outcome: Answer | GatewayError, request_id: str) -> dict[str, Any]:
    if isinstance(outcome, GatewayError):
        return {"id": name, "status": outcome.status, "body": error_body(outcome, request_id)}
    return {"id": name, "status": 200, "body": outcome.body}


def _own(given: Directives, name: str) -> Directives:
    """The batch's key is a key for each of its requests."""
    if given.idempotency_key is None:
        return given
    return replace(given, idempotency_key=f"{given.idempotency_key} {name}")


def _is_name(given: str) -> bool:
    """Whether it can be part of a key: PostgreSQL stores no NUL, which would show when a model has
    been paid."""
    return 0 < len(given) <= MAX_ID_CHARACTERS and given.isprintable()


def _read(body: bytes) -> list[dict[str, Any]]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidRequest.at((), "not JSON in UTF-8") from None
    root: tuple[str | int, ...] = ()
    if isinstance(given, dict):
        given, root = given.get("requests"), ("requests",)
    if not isinstance(given, list) or not 1 <= len(given) <= MAX_BATCH:
        raise InvalidRequest.at(root, f"a list of 1 to {MAX_BATCH} requests is wanted")
    check_values(given)
    seen: set[str] = set()
    for n, item in enumerate(given):
        if not isinstance(item, dict):
            raise InvalidRequest.at((*root, n), "an object with id, path and body is wanted")
        name = item.get("id")
        if not isinstance(name, str) or not _is_name(name) or name in seen:
            bounds = f"a string of 1 to {MAX_ID_CHARACTERS} printable characters"
            said = f"{bounds} is wanted, another for each request"
            raise InvalidRequest.at((*root, n, "id"), said)
        seen.add(name)
        if not isinstance(item.get("path"), str):
            raise InvalidRequest.at((*root, n, "path"), "a path is wanted")
        if not isinstance(item.get("body"), dict):
            raise InvalidRequest.at((*root, n, "body"), "an object is wanted")
    return given
