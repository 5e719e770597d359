"""Errors as RFC 9457's problems, their pages, and the `RateLimit` fields of every answer."""

from __future__ import annotations

import inspect
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import app.main  # noqa: F401  # so that every module's errors are known
from app.errors import DependencyUnavailable, GatewayError, RateLimited
from app.generations.generation import interrupted
from app.http import error_headers, limit_headers
from app.limit_standing import Standing
from app.main import EXPOSED_HEADERS
from app.rest.error_pages import EXPLAINED
from app.rest.responses import PROBLEM, problem_body
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import Service, running_with_limits

MEMBERS = {"type", "title", "status", "detail", "instance"}  # RFC 9457, section 3.1
# A list of one policy as a structured field (RFC 9651): a string and its parameters.
POLICY = re.compile(r'"(?P<name>[^"\\]+)";q=(?P<q>\d+)(;qu="tokens")?(;w=(?P<w>[1-9]\d*))?')
LIMIT = re.compile(r'"(?P<name>[^"\\]+)";r=(?P<r>\d+)(;t=(?P<t>\d+))?')


def kinds(kind: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    for child in kind.__subclasses__():
        yield child
        yield from kinds(child)


def raised() -> set[str]:
    """Every code that a caller may see."""
    codes = {k.code for k in kinds() if k.__module__.startswith(("app.", "resolvers."))}
    return codes | {interrupted()["code"]}


# -- problems
async def test_a_problem_has_the_facts_of_the_error_it_stands_for(loregate: Service) -> None:
    headers = loregate.headers()
    plain = await loregate.http.post(TEXT, json={"type": "poem"}, headers=headers)
    sent = {**headers, "Accept": PROBLEM, "X-Request-ID": plain.headers["x-request-id"]}
    answer = await loregate.http.post(TEXT, json={"type": "poem"}, headers=sent)
    assert answer.headers["content-type"] == PROBLEM
    assert plain.headers["content-type"] == "application/json"
    assert "Accept" in answer.headers["vary"].split(", ")
    problem, error = answer.json(), plain.json()
    assert problem == {
        "type": "/api/v2/errors/INVALID_REQUEST",
        "title": EXPLAINED["INVALID_REQUEST"].title,
        "status": answer.status_code,
        "detail": error["message"],
        "instance": answer.headers["x-request-id"],
        "code": error["code"],
        **error["details"],
    }
    told = await loregate.http.get(problem["type"])  # without a token
    assert (told.status_code, told.headers["content-type"].split(";")[0]) == (200, "text/html")
    assert problem["title"] in told.text


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (PROBLEM, True),
        ("Application/Problem+JSON", True),
        (f"application/json, {PROBLEM}", True),
        (f"{PROBLEM};q=0.9, application/json;q=0.8", True),
        (f"{PROBLEM}, */*;q=0.1", True),
        (f"{PROBLEM}, */*", True),
        (f"text/event-stream, {PROBLEM}", True),
        (f"{PROBLEM};q=0.5, application/json", False),
        (f"{PROBLEM};q=0.5, application/*", False),
        (f"{PROBLEM};q=0", False),
        (f"{PROBLEM};q=often", False),
        ("application/json", False),
        ("*/*", False),
        ("application/*", False),
        ("", False),
    ],
)
async def test_problems_come_to_those_who_prefer_them(
    loregate: Service, accept: str, wanted: bool
) -> None:
    for path in (TEXT, "/health", "/api/v2/nothing"):
        answer = await loregate.http.patch(path, headers={"Accept": accept})
        assert answer.status_code in (401, 405)
        kind = PROBLEM if wanted else "application/json"
        assert answer.headers["content-type"] == kind, path


async def test_an_answer_is_json_whatever_is_preferred(loregate: Service) -> None:
    headers = {**loregate.headers(), "Accept": PROBLEM}
    answer = await loregate.http.post(TEXT, json=GOOD[TEXT], headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


def test_no_detail_of_an_error_takes_the_place_of_a_members_name() -> None:
    for kind in kinds():
        told = set(re.findall(r"\b(\w+)=", inspect.getsource(kind)))
        assert not MEMBERS & told, kind
    assert problem_body(DependencyUnavailable("redis"), "id").keys() > MEMBERS


# -- pages
def test_every_code_is_explained_and_no_other() -> None:
    assert EXPLAINED.keys() == raised()


async def test_each_code_has_its_page_and_all_have_one(loregate: Service) -> None:
    everything = (await loregate.http.get("/api/v2/errors")).text
    for code, told in EXPLAINED.items():
        answer = await loregate.http.get(f"/api/v2/errors/{code}")
        assert answer.status_code == 200
        assert f'id="{code}"' in answer.text
        assert f'id="{code}"' in everything
        assert answer.text.count("<section") == 1
        for part in (told.title, told.meaning, told.remedy):
            assert part.split("`")[0] in answer.text.replace("&#x27;", "'")
        assert not re.search(r"https?://|<script|<link|<img", answer.text)
    unknown = await loregate.http.get("/api/v2/errors/<b>")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "NOT_FOUND")


# -- RateLimit and RateLimit-Policy
async def test_both_edges_say_how_the_limit_stands_in_the_drafts_fields(loregate: Service) -> None:
    answers = [
        await loregate.post(TEXT, GOOD[TEXT]),
        await loregate.get("/api/v2/nothing"),
        await loregate.graphql("{ viewer { id } }"),
    ]
    for answer in answers:
        policy = POLICY.fullmatch(answer.headers["ratelimit-policy"])
        limit = LIMIT.fullmatch(answer.headers["ratelimit"])
        assert policy
        assert limit
        assert policy["name"] == limit["name"] == answer.headers["x-ratelimit-scope"]
        assert (policy["q"], policy["w"]) == (answer.headers["x-ratelimit-limit"], "60")
        assert limit["r"] == answer.headers["x-ratelimit-remaining"]
        reset = int(answer.headers["x-ratelimit-reset"]) - time.time()
        assert reset - 1 < int(limit["t"]) < reset + 5


async def test_a_refusal_names_the_limit_that_refused_and_its_wait(
    tmp_path: Path, redis_url: str
) -> None:
    async with running_with_limits(tmp_path, redis_url, user=1) as found:
        await found.get("/api/v2/nothing")
        refused = await found.get("/api/v2/nothing")
    assert refused.headers["ratelimit-policy"] == '"user";q=1;w=60'
    assert refused.headers["ratelimit"] == f'"user";r=0;t={refused.headers["retry-after"]}'


def test_a_retry_after_is_never_before_the_time_that_ratelimit_names() -> None:
    standing = Standing("user", 10, 3, time.time() + 30, 60.0)
    other = error_headers(DependencyUnavailable("database", 2.0), standing)
    assert (other["Retry-After"], other["RateLimit"]) == ("2", '"user";r=3')
    limited = error_headers(RateLimited("user", 10, 60.0, 0.2, time.time() + 0.2), standing)
    assert (limited["Retry-After"], limited["RateLimit"]) == ("1", '"user";r=0;t=1')


def test_tokens_and_windows_of_parts_of_a_second_are_told_as_the_draft_can() -> None:
    tokens = limit_headers(Standing("model:gpt-6-sol:tokens", 9000, 1, time.time() - 5, 60.0))
    assert tokens["RateLimit-Policy"] == '"model:gpt-6-sol:tokens";q=9000;qu="tokens";w=60'
    assert tokens["RateLimit"] == '"model:gpt-6-sol:tokens";r=1;t=0'
    short = limit_headers(Standing('model:"x"\\', 9, 1, time.time(), 0.5))
    assert short["RateLimit-Policy"] == '"model:\\"x\\"\\\\";q=9'


async def test_a_browser_may_read_them(loregate: Service) -> None:
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(EXPOSED_HEADERS)
