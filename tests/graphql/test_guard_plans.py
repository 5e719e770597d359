"""Access where a document is compiled: a plan refuses whom graphql-core refuses, in its words."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from tests.support.root_fields import OVER_HTTP, PERMITTED, ROOT, document, without
from tests.support.service import Service


@pytest.mark.parametrize("name", [n for n in PERMITTED if n in OVER_HTTP])
async def test_who_may_not_is_refused_by_a_plan_as_by_graphql_core(
    loregate: Service, name: str
) -> None:
    asked = document(name)
    rights = without(ROOT[name][1] or "")
    bodies = [(await loregate.graphql(asked, permissions=rights)).json() for _ in range(3)]
    shown = [_without_ids(body) for body in bodies]
    assert shown == [shown[0]] * 3
    assert shown[0]["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert _has_plan(loregate, asked)


@pytest.mark.parametrize("name", OVER_HTTP)
async def test_a_revoked_token_gets_401_from_a_plan_too(
    loregate: Service, redis_url: str, name: str
) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.set("loregate:revoked:gone-by-plan", "1")
    asked = document(name)
    found = [await loregate.graphql(asked, jti="gone-by-plan") for _ in range(3)]
    assert [one.status_code for one in found] == [401] * 3
    shown = [_without_ids(one.json()) for one in found]
    assert shown == [shown[0]] * 3


def _has_plan(found: Service, text: str) -> bool:
    executor = found.sockets.executor
    digest = executor.documents.known[text].digest
    planned = executor.plans.known[digest, None]
    return any(plan is not None for plan in planned.plans.values())


def _without_ids(body: dict[str, Any]) -> dict[str, Any]:
    for error in body["errors"]:
        del error["extensions"]["requestId"]
    return body
