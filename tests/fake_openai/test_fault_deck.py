"""The provider of `loregate dev --faulty`: what it mixes, and how it serves."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from app.cli import with_short_timeouts
from app.fake_openai import fault_deck
from app.settings import Settings
from tests.support.raw_http_client import connected, question
from tests.support.upstream import FAULTS, RequestRules, fresh, now, running


def test_the_mix_is_two_fifths_good_and_has_every_fault_before_one_comes_again() -> None:
    mix = fault_deck.FaultDeck(seed=1)
    drawn = [mix.draw() for _ in range(1000)]
    names = [name for name, _ in drawn if name != "good"]
    assert 500 < len(names) < 700
    assert set(names[: len(FAULTS)]) == FAULTS.keys()
    assert {b.lasts for _, b in drawn} == {fault_deck.MAX_ANSWER_TIME}
    assert min(b.pace for _, b in drawn) == fault_deck.PACE
    again = fault_deck.FaultDeck(seed=1)
    assert [again.draw()[0] for _ in range(1000)] == [name for name, _ in drawn]


def test_what_closes_a_model_for_minutes_comes_when_all_other_faults_have() -> None:
    for seed in range(20):
        mix = fault_deck.FaultDeck(seed=seed)
        names = [n for n in (mix.draw()[0] for _ in range(400)) if n != "good"][: len(FAULTS)]
        assert set(names[-len(fault_deck.LASTING) :]) == fault_deck.LASTING


async def test_the_faulty_provider_serves_from_its_own_thread_and_names_its_faults(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "app")
    secret = "Vexis of the Hollow Reed"
    mix = fault_deck.FaultDeck(seed=3)
    drawn = [mix.draw()[0] for _ in range(3)]
    with fault_deck.serving(seed=3) as url:
        for _ in drawn:
            async with connected(url) as client:
                await client.ask(messages=[{"role": "user", "content": secret}])
    served = [r.__dict__["fault"] for r in caplog.records]
    assert served == drawn
    assert secret not in caplog.text
    with pytest.raises(ConnectionRefusedError):
        async with connected(url):
            """Nobody is there."""


async def test_what_the_rules_refuse_is_named_in_the_log_and_is_no_fault(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "app")
    with fault_deck.serving(seed=3, rules=RequestRules()) as url:
        async with connected(url) as client:
            assert (await client.ask(max_tokens=9)).status == 400
    [record] = caplog.records
    assert (record.__dict__["code"], record.__dict__["param"]) == (
        "unsupported_parameter",
        "max_tokens",
    )
    assert "fault" not in record.__dict__


def test_who_thinks_aloud_does_it_longer_than_anybody_waits_for_a_first_token() -> None:
    mix = fault_deck.FaultDeck(seed=1)
    drawn = dict(mix.draw() for _ in range(1000))
    patience = with_short_timeouts(Settings()).first_token_timeout
    for name in ("reasoning", "reasoning_content", "thinking_comments", "choiceless"):
        assert patience < (drawn[name].thinks or 0.0) < fault_deck.MAX_ANSWER_TIME
    assert patience < drawn["whole_json_slow"].first < fault_deck.MAX_ANSWER_TIME


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", FAULTS)
async def test_every_fault_is_over_when_its_time_is(name: str, stream: bool) -> None:
    line = b"POST /v1/chat/completions HTTP/1.1\r\nconnection: close"
    async with running(RequestRules()) as server, connected(server.url) as client:
        server.then(replace(now(fresh(FAULTS[name])), lasts=0.2))
        client.send(question(stream=stream), line)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionResetError):
                await client.reader.read()
            await server.all_left()
        assert len(server.requests) == 1
