"""What was spent is told exactly, to whose it is, over both edges and from either database."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app.caller import PERMISSIONS
from app.pipeline import usage_report
from app.rest.usage import PATH
from app.storage.usage import UsageRow
from tests.support import service
from tests.support.rest_bodies import TEXT
from tests.support.rest_requests import ask
from tests.support.service import Service
from tests.support.usage_rows import a_usage_row

PLAIN = [p for p in PERMISSIONS if p != "gateway:admin"]
LARGE = 3_000_000_000  # more than GraphQL's Int holds
NOVEMBER = {"since": "2026-11-01", "until": "2026-12-01"}
FIGURES = """requests answers calls promptTokens completionTokens totalTokens cachedTokens
  cacheWriteTokens reasoningTokens estimatedTokens costUsd knownCostUsd unpricedCalls"""
QUERY = f"""query ($since: DateTime, $until: DateTime, $by: [UsageDimension!]!, $user: ID,
               $first: Int!, $after: String) {{
  usage(since: $since, until: $until, by: $by, user: $user, first: $first, after: $after) {{
    since until hasNextPage endCursor
    total {{ {FIGURES} }}
    rows {{ day model operation user {FIGURES} }}
  }}
}}
"""


def at(day: int, hour: int = 12) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


def rows() -> list[UsageRow]:
    """A month of two users: a request that fell back, one that failed, one without a price."""
    fell_back = a_usage_row("alice", at=at(2), answers=0, calls=3, prompt_tokens=LARGE)
    return [
        fell_back,
        a_usage_row(
            "alice", at=at(2), content_id=fell_back.content_id, model="luna", answers=1, nano_usd=1
        ),
        a_usage_row("alice", at=at(3, 0), operation="theme", cached_tokens=90, reasoning_tokens=7),
        a_usage_row("alice", at=at(3, 23), answers=1, calls=2, nano_usd=None, model="local"),
        a_usage_row("oren", at=at(3), answers=1, cache_write_tokens=5, estimated_tokens=120),
        a_usage_row("alice", at=datetime(2026, 12, 1, tzinfo=UTC), answers=1),
    ]


@pytest.fixture
async def kept(tmp_path: Path, redis_url: str, database_url: str) -> AsyncIterator[Service]:
    """A service with a ledger, on either database."""
    given = service.settings(tmp_path, redis_url, database_url=database_url)
    async with service.running(given) as found:
        await found.parts.store.ledger.spent(rows())
        yield found


async def report(found: Service, *, admin: bool = False, **params: Any) -> httpx2.Response:
    headers = found.headers(permissions=PERMISSIONS if admin else PLAIN)
    if "accept" in params:
        headers["Accept"] = params.pop("accept")
    return await found.http.get(PATH, params={**NOVEMBER, **params}, headers=headers)


async def body(found: Service, **params: Any) -> dict[str, Any]:
    answer = await report(found, **params)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_each_row_is_exact(kept: Service) -> None:
    found = await body(kept)
    by_key = {(row["day"], row["model"]): row for row in found["rows"]}
    assert list(by_key) == [
        ("2026-11-02", "gpt-4-turbo"),
        ("2026-11-02", "luna"),
        ("2026-11-03", "gpt-4-turbo"),
        ("2026-11-03", "local"),
    ]
    first = by_key["2026-11-02", "gpt-4-turbo"]
    assert (first["requests"], first["answers"], first["calls"]) == (1, 0, 3)
    assert (first["prompt_tokens"], first["total_tokens"]) == (LARGE, LARGE + 20)
    assert first["cost_usd"] == first["known_cost_usd"] == "0.001600000"
    assert by_key["2026-11-02", "luna"]["cost_usd"] == "0.000000001"
    third = by_key["2026-11-03", "gpt-4-turbo"]
    assert (third["cached_tokens"], third["reasoning_tokens"]) == (90, 7)
    unpriced = by_key["2026-11-03", "local"]
    assert (unpriced["cost_usd"], unpriced["known_cost_usd"]) == (None, "0.000000000")
    assert unpriced["unpriced_calls"] == 2
    assert found["next_cursor"] is None


async def test_a_request_that_called_two_models_is_one_in_the_total(kept: Service) -> None:
    total = (await body(kept))["total"]
    assert (total["requests"], total["answers"], total["calls"]) == (3, 2, 7)
    assert (total["cost_usd"], total["known_cost_usd"]) == (None, "0.003200001")


async def test_everybodys_is_told_to_the_admin_alone(kept: Service) -> None:
    everybody = await body(kept, admin=True, by="user")
    assert [(r["user"], r["calls"]) for r in everybody["rows"]] == [("alice", 7), ("oren", 1)]
    one = await body(kept, admin=True, by="user", user="oren")
    assert [(r["user"], r["estimated_tokens"]) for r in one["rows"]] == [("oren", 120)]
    own = await body(kept, by="user")
    assert [r["user"] for r in own["rows"]] == ["alice"]
    assert own == {**await body(kept, by="user", user="alice"), "until": own["until"]}
    refused = await report(kept, user="oren")
    assert refused.status_code == 403
    assert refused.json()["details"]["required_permission"] == "gateway:admin"


async def test_a_user_who_was_erased_has_no_name(kept: Service) -> None:
    await kept.parts.store.ledger.spent([a_usage_row("", at=at(9))])
    found = await body(kept, admin=True, by="day,user", since="2026-11-09")
    assert [(r["day"], r["user"]) for r in found["rows"]] == [("2026-11-09", None)]


async def test_days_are_utcs_and_ends_are_exact(kept: Service) -> None:
    days = await body(kept, by="day", since="2026-11-03T00:00:00Z", until="2026-11-03T23:00:00Z")
    assert [(r["day"], r["requests"]) for r in days["rows"]] == [("2026-11-03", 1)]
    east = await body(kept, by="day", since="2026-11-03T02:00:00+02:00", until="2026-11-04")
    assert [(r["day"], r["requests"]) for r in east["rows"]] == [("2026-11-03", 2)]


async def test_the_month_is_what_is_asked_for_by_itself(kept: Service) -> None:
    clock = usage_report.UsageReports(kept.parts.store.ledger, now=lambda: at(2, 13))
    kept.gateway.usage = clock
    found = (await kept.http.get(PATH, headers=kept.headers(permissions=PLAIN))).json()
    assert (found["since"], found["until"]) == (
        "2026-11-01T00:00:00+00:00",
        "2026-11-02T13:00:00+00:00",
    )
    assert found["by"] == ["day", "model"]
    assert [row["model"] for row in found["rows"]] == ["gpt-4-turbo", "luna"]
    until = {"until": "2026-12-01"}
    found = (await kept.http.get(PATH, params=until, headers=kept.headers())).json()
    assert found["since"] == "2026-11-01T00:00:00+00:00"


async def test_pages_have_each_row_once_and_one_total(kept: Service) -> None:
    whole = await body(kept, by="day,model,operation,user", admin=True)
    pages, params = [], {"first": 2}
    while True:
        answer = await report(kept, by=["day", "user,operation", "model"], admin=True, **params)
        pages.append(answer.json())
        if (cursor := pages[-1]["next_cursor"]) is None:
            break
        assert answer.links["next"]["url"].startswith(PATH)
        params = {"first": 2, "after": cursor}
    assert [row for page in pages for row in page["rows"]] == whole["rows"]
    assert len(pages) == 3
    assert {str(page["total"]) for page in pages} == {str(whole["total"])}
    assert "link" not in answer.headers


async def test_the_next_page_is_where_the_link_says(kept: Service) -> None:
    first = await report(kept, first=3)
    second = await kept.get(first.links["next"]["url"], permissions=PLAIN)
    assert first.json()["rows"] + second.json()["rows"] == (await body(kept))["rows"]


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"since": "2025-10-26", "until": "2026-12-01"}, "since"),
        ({"since": "2026-12-02"}, "since"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-13-01"}, "until"),
        ({"since": "0001-01-01T00:00:00+14:00"}, "since"),
        ({"by": "day,colour"}, "by"),
        ({"by": ""}, "by"),
        ({"first": "0"}, "first"),
        ({"first": "10001"}, "first"),
        ({"first": "ten"}, "first"),
        ({"after": "x"}, "after"),
        ({"after": "W10="}, "after"),
        ({"after": "WyJkYXkiLCJtb2RlbCIsMSwyXQ=="}, "after"),
        ({"format": "xml"}, "format"),
    ],
)
async def test_what_cannot_be_is_refused_by_name(
    loregate: Service, params: dict[str, Any], field: str
) -> None:
    answer = await report(loregate, **params)
    assert answer.status_code == 400, answer.text
    assert answer.json()["details"]["field"] == field


async def test_a_user_that_no_database_has_is_refused_or_nobody(kept: Service) -> None:
    answer = await report(kept, admin=True, user="a\x00b")
    assert answer.status_code in (200, 400)
    assert (await report(kept, admin=True, user="x" * 5000)).status_code in (200, 400, 414, 431)


async def test_a_report_costs_what_any_reading_costs(loregate: Service) -> None:
    before = await loregate.counted()
    await report(loregate)
    assert await loregate.counted() == before + 1
    await report(loregate, by="colour")
    assert await loregate.counted() == before + 2


# -- CSV
async def test_csv_has_a_header_and_a_line_for_each_row(kept: Service) -> None:
    answer = await report(kept, format="csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert "usage-2026-11-01-2026-12-01.csv" in answer.headers["content-disposition"]
    assert answer.text.count("\r\n") == 5
    lines = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    told = (await body(kept))["rows"]
    assert lines == [{k: "" if v is None else str(v) for k, v in row.items()} for row in told]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("*/*", "application/json"),
        ("text/*", "application/json"),
        ("text/csv;q=0.5, application/json", "application/json"),
    ],
)
async def test_csv_comes_where_it_is_named_first(loregate: Service, accept: str, kind: str) -> None:
    answer = await report(loregate, accept=accept)
    assert answer.headers["content-type"].startswith(kind)
    assert "Accept" in answer.headers["vary"].split(", ")


async def test_csv_holds_what_needs_quotes_and_no_formula(kept: Service) -> None:
    names = ['=HYPERLINK("http://x")', "+1", "-1", "@SUM(A1)", "\tx", 'a,"b"\nc', "plain"]
    await kept.parts.store.ledger.spent([a_usage_row(name, at=at(20)) for name in names])
    answer = await report(kept, admin=True, format="csv", by="user", since="2026-11-20")
    found = [row["user"] for row in csv.DictReader(io.StringIO(answer.text, newline=""))]
    assert sorted(found) == sorted([f"'{n}" for n in names[:5]] + names[5:])


async def test_csv_is_whole_or_refused(kept: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await report(kept, format="csv", first=2)).links["next"]
    monkeypatch.setattr("app.rest.usage.MAX_LINES", 2)
    answer = await report(kept, format="csv")
    assert answer.status_code == 400
    assert "more than 2 rows" in answer.text
    assert (await report(kept)).status_code == 200


# -- GraphQL
async def test_graphql_tells_the_same(kept: Service) -> None:
    given = {**NOVEMBER, "by": ["DAY", "MODEL", "OPERATION", "USER"], "first": 500}
    found = (await kept.data(QUERY, given, permissions=PERMISSIONS))["usage"]
    told = await body(kept, by="day,model,operation,user", admin=True)
    assert [_snake(row) for row in found["rows"]] == told["rows"]
    assert _snake(found["total"]) == told["total"]
    assert (found["since"], found["until"]) == (told["since"], told["until"])
    assert found["rows"][0]["promptTokens"] == LARGE


async def test_graphql_has_pages(kept: Service) -> None:
    given: dict[str, Any] = {**NOVEMBER, "by": ["DAY", "MODEL"], "first": 3}
    first = (await kept.data(QUERY, given, permissions=PLAIN))["usage"]
    assert first["hasNextPage"] is True
    given["after"] = first["endCursor"]
    second = (await kept.data(QUERY, given, permissions=PLAIN))["usage"]
    assert (len(first["rows"]), len(second["rows"])) == (3, 1)
    assert second["endCursor"] is None


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"user": "oren"}, "FORBIDDEN", None),
        ({"first": 501}, "BAD_USER_INPUT", "first"),
        ({"by": []}, "BAD_USER_INPUT", "by"),
        ({"since": "2024-01-01"}, "BAD_USER_INPUT", "since"),
        ({"after": "x"}, "BAD_USER_INPUT", "after"),
    ],
)
async def test_graphql_refuses_by_the_arguments_name(
    loregate: Service, given: dict[str, Any], code: str, field: str | None
) -> None:
    asked = {**NOVEMBER, "by": ["DAY"], "first": 10, **given}
    [error] = (await loregate.graphql(QUERY, asked, permissions=PLAIN)).json()["errors"]
    assert error["extensions"]["code"] == code
    assert error["extensions"].get("field") == field


# -- what stays
async def test_a_deleted_content_leaves_its_usage(loregate: Service) -> None:
    made = (await ask(loregate, TEXT)).json()["content_id"]
    before = (await loregate.get(PATH)).json()["total"]
    path = f"/api/v2/content/{made}"
    assert (await loregate.http.delete(path, headers=loregate.headers())).status_code == 204
    assert (await loregate.get(PATH)).json()["total"] == before
    assert before["answers"] == 1


def _snake(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        "".join(f"_{c.lower()}" if c.isupper() else c for c in name): value
        for name, value in figures.items()
    }
