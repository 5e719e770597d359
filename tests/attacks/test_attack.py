"""The runner itself: a row that does not hold is red, whatever falls short."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.attacks.attack import Attack, answered, closed, cut_off, holds
from tests.attacks.conversation import frame
from tests.attacks.gateway import Gateway, faults
from tests.attacks.sendings import REST, WEBSOCKET, Bearer, Document, Frames, Http
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import token

WRITE = Http("POST", TEXT, {**GOOD[TEXT], "model": {"name": "gpt-6-luna"}})
GOOD_ROW = Attack("a good request", "no attack", "the tests", WRITE, answered(200), calls=1)
UNMASKED = Frames((frame(0x1, b"{}", mask=False),))


def test_a_row_that_holds_is_green(gateway: Gateway) -> None:
    holds(gateway, GOOD_ROW, REST)
    holds(gateway, replace(GOOD_ROW, send=UNMASKED, expect=closed(1002), calls=0), WEBSOCKET)


@pytest.mark.parametrize(
    ("row", "edge"),
    [
        (replace(GOOD_ROW, expect=answered(400)), REST),
        (replace(GOOD_ROW, expect=answered(200, codes=("INVALID_REQUEST",))), REST),
        (replace(GOOD_ROW, expect=answered(200, lacks=(b"content_id",))), REST),
        (replace(GOOD_ROW, expect=answered(200, has=(b"nothing of the kind",))), REST),
        (replace(GOOD_ROW, calls=0), REST),
        (replace(GOOD_ROW, cpu=0.0), REST),
        (replace(GOOD_ROW, send=UNMASKED, expect=closed(1003), calls=0), WEBSOCKET),
        (replace(GOOD_ROW, send=Bearer(token()), expect=closed(4403), calls=0), WEBSOCKET),
        (replace(GOOD_ROW, send=Document("{ nope }"), expect=closed(4400), calls=0), WEBSOCKET),
    ],
    ids=["status", "code", "lacks", "has", "model", "CPU", "close code", "open", "open, error"],
)
def test_a_row_that_falls_short_is_red(gateway: Gateway, row: Attack, edge: str) -> None:
    with pytest.raises(AssertionError):
        holds(gateway, row, edge)


def test_a_connection_that_stays_open_is_red(gateway: Gateway) -> None:
    with pytest.raises(TimeoutError):
        holds(gateway, replace(GOOD_ROW, expect=cut_off(200)), REST, patience=0.3)


def test_an_error_a_traceback_and_a_broken_line_in_the_log_are_seen() -> None:
    good = '{"event": "GET / 200", "level": "info"}'
    bad = [
        '{"event": "x", "level": "error"}',
        '{"event": "x", "level": "info", "exception": "builtins.KeyError"}',
        "Traceback (most recent call last):",
    ]
    assert faults([good, *bad]) == bad
