"""POST /api/v2/batch: several operations in one request, each as if it had come alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.caller import PERMISSIONS
from app.pipeline.gateway import BATCH_AT_ONCE
from tests.support.rest_bodies import CAMPAIGN, GOOD, TEXT, THEME, VALIDATION, changed
from tests.support.rest_requests import ask, count_events
from tests.support.service import Service
from tests.support.upstream import Behaviour, Upstream, refusal

pytestmark = pytest.mark.also_on("postgresql")

BATCH = "/api/v2/batch"


def item(name: str, path: str = TEXT, body: Any = None) -> dict[str, Any]:
    return {"id": name, "path": path, "body": GOOD.get(path, {}) if body is None else body}


async def results(found: Service, items: Any, **given: Any) -> list[Any]:
    answer = await ask(found, BATCH, items, **given)
    assert answer.status_code == 200, answer.text
    listed: list[Any] = answer.json()["results"]
    return listed


@pytest.mark.parametrize("wrapped", [True, False])
async def test_each_operation_is_answered_in_the_given_order(
    loregate: Service, wrapped: bool
) -> None:
    items = [item(f"{n}-{path}", path) for n, path in enumerate([*GOOD, *GOOD])]
    found = await results(loregate, {"requests": items} if wrapped else items)
    assert [r["id"] for r in found] == [i["id"] for i in items]
    assert {r["status"] for r in found} == {200}
    for one, result in zip(items, found, strict=True):
        alone = (await ask(loregate, one["path"], cache="no-store")).json()
        assert result["body"].keys() == alone.keys()
        assert result["body"]["metadata"]["content_type"] == alone["metadata"]["content_type"]


async def test_what_is_wrong_with_one_does_not_touch_the_others(
    with_models: Service, provider: Upstream
) -> None:
    await ask(with_models, THEME)  # which is then cached: the refusal is for the other
    provider.then(refusal(400, "content_policy_violation"))
    only_text = [p for p in PERMISSIONS if p in ("text:generate", "theme:analyze")]
    items = [
        item("rejected"),
        item("forbidden", VALIDATION),
        item("invalid", THEME, {"content": ""}),
        item("nowhere", "/api/v2/content/1"),
        item("good", THEME),
    ]
    found = await results(with_models, items, permissions=only_text)
    codes = [(r["id"], r["status"], r["body"].get("code")) for r in found]
    assert codes == [
        ("rejected", 400, "CONTENT_REJECTED"),
        ("forbidden", 403, "FORBIDDEN"),
        ("invalid", 400, "INVALID_REQUEST"),
        ("nowhere", 404, "NOT_FOUND"),
        ("good", 200, None),
    ]
    assert found[2]["body"]["details"]["field"] == "content"
    assert all(r["body"]["details"]["request_id"] for r in found[:4])
    assert await with_models.counted("user") == 6
    assert await with_models.counted("operation:theme_analysis") == 2
    assert await with_models.counted("operation:content_validation") == 0
    assert await count_events(with_models) == 1


async def test_each_is_charged_as_if_it_had_come_alone(loregate: Service) -> None:
    """Ten of a tier that may have 20 a minute; the third batch finds the limit full."""
    items = [item(str(n)) for n in range(10)]
    for _ in range(2):
        found = await results(loregate, items, tier="free")
        assert [r["status"] for r in found] == [200] * 10
    answer = await ask(loregate, BATCH, [*items, item("theme", THEME)], tier="free")
    refused = answer.json()["results"]
    assert [r["status"] for r in refused] == [429] * 10 + [200]
    assert refused[0]["body"]["details"]["scope"] == "operation:text_generation"
    assert answer.headers["x-ratelimit-scope"] == "operation:text_generation"


async def test_only_so_many_are_made_at_once(with_models: Service, provider: Upstream) -> None:
    provider.always = Behaviour(silent=True)
    items = [item(str(n), CAMPAIGN) for n in range(20)]
    asked = asyncio.create_task(results(with_models, items))
    async with asyncio.timeout(10):
        while len(provider.requests) < BATCH_AT_ONCE:
            await asyncio.sleep(0.01)
    await with_models.get("/health")  # the service has had time to ask for more
    assert len(provider.requests) == BATCH_AT_ONCE
    await provider.stop()  # the storyteller writes all of it
    assert {r["body"]["metadata"]["degraded"] for r in await asked} == {True}


async def test_a_slow_one_holds_up_no_other(with_models: Service, provider: Upstream) -> None:
    provider.then(Behaviour(delay=1))
    asked = asyncio.create_task(ask(with_models, BATCH, [item(str(n)) for n in range(20)]))
    async with asyncio.timeout(10):
        while len(provider.requests) < 20:
            await asyncio.sleep(0.01)
    assert not asked.done()
    found = (await asked).json()["results"]
    assert [(r["id"], r["status"]) for r in found] == [(str(n), 200) for n in range(20)]


TOO_MANY = [item(str(n)) for n in range(21)]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], ""),
        (TOO_MANY, ""),
        ({"requests": []}, "requests"),
        ({"requests": TOO_MANY}, "requests"),
        ({}, "requests"),
        (5, ""),
        ([item("a"), 5], "1"),
        ([item("a"), item("a")], "1.id"),
        ([{**item("a"), "id": 5}], "0.id"),
        ([{**item("a"), "id": "i" * 129}], "0.id"),
        ({"requests": [{"id": "a", "body": {}}]}, "requests.0.path"),
        ([{**item("a"), "body": "text"}], "0.body"),
    ],
)
async def test_a_batch_that_is_wrong_itself_is_refused_whole(
    loregate: Service, body: Any, field: str
) -> None:
    answer = await ask(loregate, BATCH, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    assert answer.json()["details"]["field"] == field
    assert await loregate.counted("user") == 1
    assert await count_events(loregate) == 0


async def test_twenty_are_good_and_count_twenty(loregate: Service) -> None:
    found = await results(loregate, TOO_MANY[:20])
    assert [r["status"] for r in found] == [200] * 20
    assert await loregate.counted("user") == 20


async def test_a_batch_under_a_key_is_answered_once(
    with_models: Service, provider: Upstream
) -> None:
    items = [item("a"), item("b", CAMPAIGN), item("c", THEME)]
    first = await ask(with_models, BATCH, items, key="k")
    again = await ask(with_models, BATCH, items, key="k")
    assert again.content == first.content
    assert len(provider.requests) == 3
    assert await count_events(with_models) == 3
    mixed = await results(with_models, [item("a", TEXT, changed(TEXT, type="combat"))], key="k")
    assert [(r["status"], r["body"]["code"]) for r in mixed] == [(409, "IDEMPOTENCY_CONFLICT")]
    # The batch's key is not that of a request by itself.
    assert (await ask(with_models, TEXT, key="k")).headers["x-cache"] == "BYPASS"


async def test_equal_requests_of_a_batch_share_a_cached_answer(
    with_models: Service, provider: Upstream
) -> None:
    found = await results(with_models, [item(str(n), THEME) for n in range(20)])
    assert len({r["body"]["content_id"] for r in found}) == 1
    assert len(provider.requests) == 1


@pytest.mark.parametrize("name", ["a\0", "\0", "a\nb", "\x7f", "\u2028", ""])
async def test_a_name_that_cannot_be_stored_is_refused_before_a_model_is_paid(
    with_models: Service, provider: Upstream, name: str
) -> None:
    answer = await ask(with_models, BATCH, [item("a"), item(name)], key="k")
    assert answer.status_code == 400
    assert answer.json()["details"]["field"] == "1.id"
    assert provider.requests == []
