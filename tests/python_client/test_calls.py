"""loregate-client asks: what is waited for, what is tried again, and what is raised."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from loregate_client import (
    AsyncLoregate,
    ConnectionLost,
    Forbidden,
    IdempotencyConflict,
    InvalidRequest,
    LoregateError,
    NotFound,
    RateLimited,
    Unauthenticated,
    UnreadableAnswer,
)
from loregate_client.errors import KINDS, STATUSES
from loregate_client.schema import OPERATIONS

from app.config_file import ConfigFile, LimitTable
from app.errors import GatewayError
from tests.support import service
from tests.support.cli_process import ROOT, free_port
from tests.support.python_clients import Answers, Connect, page, rest, slow
from tests.support.service import CHARACTER_INPUT, Service, token
from tests.support.upstream import Behaviour, Upstream
from tests.support.waiting import until
from tests.support.wire import Wire

CONTEXT = {"campaignTheme": "a haunted coast", "partyLevel": 3}
INPUTS: dict[str, dict[str, Any]] = {
    "character": CHARACTER_INPUT,
    "campaign": {"type": "QUEST", "campaignContext": {"campaignTheme": "a haunted coast"}},
    "story": {"elementType": "SCENE", "context": CONTEXT},
    "npc": {"role": "MENTOR", "context": CONTEXT},
    "location": {"locationType": "TAVERN", "context": CONTEXT, "size": "small", "purpose": "rest"},
    "item": {"kind": "RING", "context": CONTEXT},
    "theme": {"content": "The bell rang though nobody had pulled the rope."},
    "validation": {
        "content": "The bell rang.",
        "contentType": "story",
        "rules": [{"category": "QUALITY", "name": "whole"}],
    },
}
OK = {"data": {"eventCursor": "a cursor"}}


def refused(code: str, **facts: Any) -> dict[str, Any]:
    return {"errors": [{"message": "no", "extensions": {"code": code, "requestId": "r", **facts}}]}


async def test_what_is_generated_is_current() -> None:
    """The types of schema.graphql, and the client without an event loop."""
    script = ROOT / "clients" / "python" / "generate.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


@slow
async def test_every_operation_can_be_written(loregate: Service, connect: Connect) -> None:
    async with connect(loregate.url, token()) as gate:
        written = {name: await gate.write(name, INPUTS[name]) for name in OPERATIONS}
        results = {name: set(payload) for name, payload in written.items()}
        payload = written["story"]
        assert payload["story"]["typename"] == "Story"
        assert payload["story"]["text"] == (await gate.content(payload["story"]["id"]))["text"]
        assert "operation:text_generation" in {limit["scope"] for limit in await gate.rate_limits()}
        await gate.delete(payload["story"]["contentId"])
        assert await gate.content(payload["story"]["id"]) is None
    common = {"requestId", "rateLimit", "cacheStatus", "similarity"}
    assert {name: found - common for name, found in results.items()} == {
        "character": {"content"},
        "campaign": {"content"},
        "theme": {"analysis"},
        **{name: {name} for name in ("story", "npc", "location", "item", "validation")},
    }


async def test_an_unknown_operation_is_told_with_those_there_are(connect: Connect) -> None:
    async with connect("http://gateway", "t") as gate:
        with pytest.raises(ValueError, match="no operation poem; there are character, campaign"):
            await gate.write("poem", {})


# -- what is waited for
@slow
async def test_a_full_limit_is_waited_for(tmp_path: Path, redis_url: str, connect: Connect) -> None:
    table = LimitTable(target="operation:text_generation", max=1, window=1.0)
    given = service.settings(tmp_path, redis_url)
    limited = given.model_copy(update={"file": ConfigFile(limits=(table,))})
    async with service.running(limited) as found, connect(found.url, token()) as gate:
        await gate.write("character", CHARACTER_INPUT)
        assert (await gate.write("character", CHARACTER_INPUT))["content"]["text"]


async def test_a_longer_wait_than_it_may_take_is_raised_at_once(connect: Connect) -> None:
    answers = Answers(refused("RATE_LIMIT_EXCEEDED", scope="user", retryAfterMs=61_000))
    async with connect("http://gateway", "t", handler=answers) as gate:
        with pytest.raises(RateLimited) as caught:
            await gate.event_cursor()
    assert (caught.value.retry_after, caught.value.status) == (61.0, 429)
    assert (caught.value.details["scope"], caught.value.request_id) == ("user", "r")


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_proxys_retry_after_is_waited_for(connect: Connect, form: str) -> None:
    """It is longer than the client may wait, which is how it is seen."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    answers = Answers(page(503, retry_after="90" if form == "seconds" else date))
    async with connect("http://gateway", "t", handler=answers) as gate:
        with pytest.raises(UnreadableAnswer) as caught:
            await gate.event_cursor()
    assert caught.value.retry_after == pytest.approx(90, abs=5)


# -- what is tried again
PASSING = {
    "cut": httpx2.ReadError("cut"),
    "silent": httpx2.ConnectTimeout("silent"),
    "proxy": page(502),
    "dependency": refused("DEPENDENCY_UNAVAILABLE", retryAfterMs=1),
    "stopping": refused("SHUTTING_DOWN", retryAfterMs=1),
    "model": refused("MODEL_UNAVAILABLE", retryAfterMs=1),
}


async def test_what_passes_is_tried_again(connect: Connect) -> None:
    async def mended(failure: Any) -> bool:
        async with connect("http://gateway", "t", handler=Answers(failure, OK)) as gate:
            return bool(await gate.event_cursor() == "a cursor")

    found = await asyncio.gather(*map(mended, PASSING.values()))
    assert dict(zip(PASSING, found, strict=True)) == dict.fromkeys(PASSING, True)


@pytest.mark.parametrize(
    "failure",
    [
        httpx2.UnsupportedProtocol("ftp"),
        page(404),
        ["odd"],
        page(200, "{", content_type="application/json"),
        refused("MODEL_ERROR"),  # it would cost again
        refused("MODEL_TIMEOUT"),
        refused("GRAPHQL_VALIDATION_FAILED"),
    ],
    ids=["address", "elsewhere", "odd", "broken", "model", "late", "document"],
)
async def test_what_does_not_pass_is_raised_at_once(connect: Connect, failure: Any) -> None:
    answers = Answers(failure)
    async with connect("http://gateway", "t", handler=answers) as gate:
        with pytest.raises(LoregateError):
            await gate.event_cursor()
    assert len(answers.requests) == 1


async def test_where_nobody_answers_it_gives_up_in_the_end(connect: Connect) -> None:
    async with connect(f"http://127.0.0.1:{free_port()}", "t", max_wait=0.3) as gate:
        with pytest.raises(ConnectionLost):
            await gate.event_cursor()


@slow
async def test_a_request_whose_answer_was_cut_off_is_not_carried_out_twice(
    with_models: Service, provider: Upstream, connect: Connect
) -> None:
    provider.always = Behaviour(delay=0.2)
    async with Wire(with_models.url).laid() as wire, connect(wire.url, token()) as gate:
        ways = (gate.write, gate.start)
        asking = [asyncio.create_task(way("character", CHARACTER_INPUT)) for way in ways]
        await until(lambda: len(provider.requests) == 2)
        wire.cut()
        _, started = await asyncio.gather(*asking)
        await rest(gate.generation(started["id"]))
    found = await with_models.data("{ contents { edges { node { id } } } }")
    assert (len(provider.requests), len(found["contents"]["edges"])) == (2, 2)


@slow
async def test_a_mutation_of_ones_own_is_sent_again_only_if_it_may_be(connect: Connect) -> None:
    document = "mutation { deleteContent(id: 1) { contentId } }"
    answers = Answers(
        httpx2.ReadError("cut"), httpx2.ReadError("cut"), OK, httpx2.ReadError(""), OK
    )
    async with connect("http://gateway", "t", handler=answers) as gate:
        with pytest.raises(ConnectionLost):
            await gate.request(document)
        assert await gate.request(document, repeatable=True) == OK
        assert await gate.request("{ eventCursor }") == OK
    assert len(answers.requests) == 5


@slow
async def test_each_request_has_a_key_of_its_own_and_yours_goes_first(
    loregate: Service, connect: Connect
) -> None:
    async with connect(loregate.url, token()) as gate:

        async def written(**key: str) -> str:
            content = (await gate.write("character", CHARACTER_INPUT, **key))["content"]
            return str(content["id"])

        assert await written() != await written()
        assert await written(idempotency_key="k") == await written(idempotency_key="k")
        with pytest.raises(IdempotencyConflict):
            await gate.write("npc", INPUTS["npc"], idempotency_key="k")


# -- tokens
async def test_a_token_that_is_refused_is_asked_for_again_once(
    loregate: Service, connect: Connect
) -> None:
    tokens = [token(exp=1), token()]
    async with connect(loregate.url, lambda: tokens.pop(0)) as gate:
        assert await gate.event_cursor()
        assert await gate.event_cursor()
    assert tokens == []


async def test_a_bad_token_is_raised_at_once(loregate: Service, connect: Connect) -> None:
    asked: list[str] = []

    def bad() -> str:
        asked.append("again")
        return "bad"

    for given, times in (("bad", 0), (bad, 2)):
        async with connect(loregate.url, given) as gate:
            with pytest.raises(Unauthenticated) as caught:
                await gate.event_cursor()
        assert (caught.value.details["reason"], len(asked)) == ("malformed", times)
        asked.clear()


async def test_a_token_may_be_awaited(loregate: Service) -> None:
    async def given() -> str:
        return token()

    async with AsyncLoregate(loregate.url, given) as gate:
        assert await gate.event_cursor()


# -- what is raised
@slow
async def test_each_refusal_has_its_class_with_the_facts(
    loregate: Service, connect: Connect
) -> None:
    async with connect(loregate.url, token(permissions=["text:generate", "content:write"])) as gate:
        with pytest.raises(InvalidRequest) as invalid:
            await gate.write(
                "character", {"type": "BACKSTORY", "characterContext": {"characterLevel": 21}}
            )
        with pytest.raises(Forbidden) as forbidden:
            await gate.write("story", INPUTS["story"])
        with pytest.raises(NotFound) as missing:
            await gate.delete("0198c0de-7a1e-7000-8000-5a17e4e00042")
    assert invalid.value.details["field"] == "input.characterContext.characterLevel"
    assert forbidden.value.details["requiredPermission"] == "campaign:generate"
    assert [e.value.status for e in (invalid, forbidden, missing)] == [400, 403, 404]
    assert all(e.value.request_id and e.value.errors for e in (invalid, forbidden, missing))


def test_statuses_are_those_that_rest_has() -> None:
    found: dict[str, int] = {}
    kinds = list(GatewayError.__subclasses__())
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        found[kind.code] = kind.status
    of_streams = {"INTERRUPTED"}  # a generation's own, which no request is refused with
    assert {c: s for c, s in STATUSES.items() if found.get(c) != s}.keys() == of_streams
    assert set(KINDS) <= found.keys() | of_streams
