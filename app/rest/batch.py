"""POST /api/v2/batch: several operations in one request, each as if it had come alone."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from app.errors import GatewayError, InvalidRequest, NotFound
from app.gateway import Answer, Asked, Gateway, Visit, Wish
from app.operations import OPERATIONS
from app.rest.responses import error_body

BATCH = "/api/v2/batch"
MOST = 20  # requests
LONGEST_ID = 128  # characters

BY_PATH = {o.path: o for o in OPERATIONS.values()}


async def run(gateway: Gateway, visit: Visit, body: bytes, wish: Wish) -> dict[str, Any]:
    """`{"results": [{id, status, body}]}`, in the given order.

    Raises:
        InvalidRequest: the batch itself is wrong; nothing of it ran.
    """
    items = _read(body)
    known = [(n, item) for n, item in enumerate(items) if item["path"] in BY_PATH]
    requests: list[Asked] = [
        (BY_PATH[item["path"]], item["body"], partial(_own, wish, item["id"])) for _, item in known
    ]
    outcomes = dict(zip((n for n, _ in known), await gateway.batch(visit, requests), strict=True))
    for n in range(len(items)):
        if n not in outcomes:
            outcomes[n] = await _unknown(gateway, visit)
    return {"results": [_result(i["id"], outcomes[n], visit) for n, i in enumerate(items)]}


async def _unknown(gateway: Gateway, visit: Visit) -> GatewayError:
    try:
        await gateway.count(visit)
    except GatewayError as refused:
        return refused
    return NotFound(f"A batch takes no such path; it takes {', '.join(BY_PATH)}")


def _result(name: str, outcome: Answer | GatewayError, visit: Visit) -> dict[str, Any]:
    if isinstance(outcome, GatewayError):
        body = error_body(outcome, visit.request_id)
        return {"id": name, "status": outcome.status, "body": body}
    return {"id": name, "status": 200, "body": outcome.body}


def _own(wish: Wish, name: str) -> Wish:
    """The batch's key is a key for each of its requests."""
    if wish.idempotency_key is None:
        return wish
    return replace(wish, idempotency_key=f"{wish.idempotency_key} {name}")


def _read(body: bytes) -> list[dict[str, Any]]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidRequest.at((), "not JSON in UTF-8") from None
    root: tuple[str | int, ...] = ()
    if isinstance(given, dict):
        given, root = given.get("requests"), ("requests",)
    if not isinstance(given, list) or not 1 <= len(given) <= MOST:
        raise InvalidRequest.at(root, f"a list of 1 to {MOST} requests is wanted")
    seen: set[str] = set()
    for n, item in enumerate(given):
        if not isinstance(item, dict):
            raise InvalidRequest.at((*root, n), "an object with id, path and body is wanted")
        name = item.get("id")
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_ID or name in seen:
            said = f"a string of 1 to {LONGEST_ID} characters is wanted, another for each request"
            raise InvalidRequest.at((*root, n, "id"), said)
        seen.add(name)
        if not isinstance(item.get("path"), str):
            raise InvalidRequest.at((*root, n, "path"), "a path is wanted")
        if not isinstance(item.get("body"), dict):
            raise InvalidRequest.at((*root, n, "body"), "an object is wanted")
    return given
