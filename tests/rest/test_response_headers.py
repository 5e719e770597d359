"""Every answer says that it is no page to run or to frame; what is one caller's is not kept."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

import pytest

from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import Service

TABLE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
PAGES = ("/api/v2/docs", "/api/v2/errors", "/api/v2/errors/NOT_FOUND", "/graphql")
ANSWERS = (
    *("/health", "/health/live", "/health/ready", "/nowhere", "/console/assets/nothing"),
    *("/api/v2/openapi.json", "/api/v2/asyncapi.json", "/api/v2/nowhere", "/api/v2/content/x"),
    *("/api/v2/errors/NOTHING", "/graphql?query={__typename}", "/console/session"),
)
HTML = {"Accept": "text/html", "Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"}


def directives(headers: Mapping[str, str]) -> dict[str, str]:
    told = headers["content-security-policy"].split("; ")
    return dict(t.split(" ", 1) for t in told)


@pytest.mark.parametrize("path", [*PAGES, *ANSWERS])
@pytest.mark.parametrize("signed", [False, True], ids=["by nobody", "with a token"])
async def test_every_answer_has_the_headers(loregate: Service, path: str, signed: bool) -> None:
    headers = {**(HTML if path in PAGES else {}), **(loregate.headers() if signed else {})}
    answer = await loregate.http.get(path, headers=headers)
    assert {name: answer.headers.get(name) for name in TABLE} == TABLE
    policy = directives(answer.headers)
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert len(answer.headers.get_list("content-security-policy")) == 1
    if path in ANSWERS:
        assert policy.keys() == {"default-src", "frame-ancestors"} or path.startswith("/console")
    if signed or answer.status_code == 401:
        assert answer.headers["cache-control"] == "no-store"


async def test_what_a_caller_gets_is_kept_by_nobody(loregate: Service) -> None:
    made = await loregate.post(TEXT, GOOD[TEXT])
    content = f"/api/v2/content/{made.json()['content_id']}"
    answers = [made, await loregate.get(content), await loregate.get(content + "x")]
    answers += [await loregate.graphql("{ viewer { id } }"), await loregate.post(TEXT, {})]
    answers += [await loregate.graphql("{ viewer { id } }", anonymous=True)]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store", answer.status_code
    for path in ("/api/v2/events", "/graphql?query=subscription{events{type}}"):
        headers = {**loregate.headers(), "Accept": "text/event-stream"}
        async with loregate.http.stream("GET", path, headers=headers) as stream:
            assert stream.headers["cache-control"] == "no-store"
            assert stream.headers["x-content-type-options"] == "nosniff"


async def test_the_page_of_errors_has_no_style_but_the_one_whose_sum_is_told(
    loregate: Service,
) -> None:
    answer = await loregate.http.get("/api/v2/errors")
    [style] = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    told = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert directives(answer.headers)["style-src"] == f"'sha256-{told}'"
    assert " style=" not in answer.text
    assert "<script" not in answer.text
