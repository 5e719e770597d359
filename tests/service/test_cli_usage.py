"""`loregate usage`: columns for people and pipes, JSON and CSV for programs."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from app.csv_table import csv_table
from tests.support.service import Service
from tests.support.terminal import at_terminal, beside, invoke
from tests.support.usage_rows import a_usage_row

MONTH = ("--since", "2026-11-01", "--until", "2026-12-01")


@pytest.fixture
async def spent(loregate: Service) -> Service:
    day = datetime(2026, 11, 2, tzinfo=UTC)
    rows = [a_usage_row("alice", at=day, answers=1), a_usage_row("alice", at=day, nano_usd=None)]
    await loregate.parts.store.ledger.spent(rows)
    return loregate


async def test_a_pipe_gets_columns_and_the_total(spent: Service) -> None:
    code, out, _ = await invoke("usage", *MONTH, "--by", "model", **beside(spent))
    assert code == 0
    assert out.splitlines() == [
        "gpt-4-turbo\t2\t1\t2\t240\t?",
        "-\t2\t1\t2\t240\t?",
    ]


async def test_a_terminal_gets_them_below_each_other(spent: Service) -> None:
    async with at_terminal("usage", *MONTH, **beside(spent)) as terminal:
        assert await terminal.ended() == 0
    assert "2026-11-02  gpt-4-turbo  2" in terminal.shown


async def test_json_is_the_report(spent: Service) -> None:
    code, out, _ = await invoke("usage", *MONTH, "--json", **beside(spent))
    assert code == 0
    told = json.loads(out)
    assert told["total"]["known_cost_usd"] == "0.001600000"
    assert told["rows"][0]["day"] == "2026-11-02"


async def test_csv_is_the_gateways_own(spent: Service) -> None:
    code, out, _ = await invoke("usage", *MONTH, "--csv", **beside(spent))
    answer = await spent.get("/api/v2/usage?since=2026-11-01&until=2026-12-01&format=csv")
    assert code == 0
    read = [list(csv.reader(io.StringIO(text, newline=""))) for text in (out, answer.text)]
    assert read[0] == read[1]


async def test_what_is_refused_is_told(spent: Service) -> None:
    code, out, err = await invoke("usage", "--by", "colour", **beside(spent))
    assert (code, out) == (2, "")
    assert "day, model, operation, user" in err


def test_a_cell_is_never_a_formula() -> None:
    assert csv_table(["a"], [{"a": "=1+1"}, {"a": None}, {"a": 'x"y'}]) == (
        'a\r\n\'=1+1\r\n""\r\n"x""y"\r\n'
    )
