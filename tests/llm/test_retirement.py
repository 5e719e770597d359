"""Retirement: what a provider's list says of the models that are configured."""

from __future__ import annotations

import logging
from datetime import date

import pytest

from app.llm.failure import AttemptFailed
from app.llm.fallback import Models
from app.llm.model import Model
from app.llm.retirement import ListedModels, Retirement
from app.operations.metadata import AttemptOutcome
from app.storyteller.storyteller import Storyteller

NOVEMBER_2026 = date(2026, 11, 25)


class Lister:
    """A provider at the border: it has a list, or none."""

    def __init__(self, dates: dict[str, str | None] | None) -> None:
        self.dates = dates

    async def listed(self) -> dict[str, str | None]:
        if self.dates is None:
            raise AttemptFailed(AttemptOutcome.UNREACHABLE, "tells no list")
        return self.dates


def model(upstream: str = "gpt-6-luna") -> Model:
    return Model("quick", Storyteller(), upstream=upstream)


async def look(
    found: Model, dates: dict[str, str | None] | None, *, whole: bool = True
) -> Retirement:
    listed = ListedModels(Lister(dates), [(found, whole)])  # type: ignore[arg-type]  # no more of it is asked
    retirement = Retirement([listed], frozenset({"quick"}), today=lambda: NOVEMBER_2026)
    await retirement.look()
    return retirement


@pytest.mark.parametrize(
    ("dates", "retires_at", "gone", "lines"),
    [
        ({"gpt-6-luna": None}, None, False, 0),
        ({"gpt-6-luna": "2027-04-01"}, date(2027, 4, 1), False, 0),
        ({"gpt-6-luna": "2027-01-24"}, date(2027, 1, 24), False, 1),
        ({"gpt-6-luna": "2026-11-25"}, NOVEMBER_2026, True, 1),
        ({"other": None}, None, True, 1),
        ({"gpt-6-luna": "soon"}, None, False, 0),
        ({}, None, False, 0),
        (None, None, False, 0),
    ],
)
async def test_an_end_is_known_before_it_comes_and_told_in_one_line(
    dates: dict[str, str | None] | None,
    retires_at: date | None,
    gone: bool,
    lines: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    found = model()
    with caplog.at_level(logging.WARNING):
        retirement = await look(found, dates)
        await retirement.look()
    assert (found.retires_at, found.gone) == (retires_at, gone)
    assert len(caplog.records) == lines
    assert all("[[models]]" in r.message for r in caplog.records)


async def test_a_list_that_is_not_whole_makes_no_model_gone() -> None:
    found = model()
    await look(found, {"other": None}, whole=False)
    assert not found.gone


async def test_a_model_that_is_gone_degrades_health_if_somebody_counts_on_it() -> None:
    required, spare = model(), Model("spare", Storyteller(), upstream="gpt-6-sol")
    models = Models([required, spare], ["quick"], required={"quick"})
    spare.gone = True
    assert models.state == "healthy"
    required.gone = True
    assert models.state == "unhealthy", "none is left"
    assert required.state == "unhealthy"


async def test_a_model_that_is_back_is_well_again() -> None:
    found = model()
    await look(found, {"other": None})
    await look(found, {"gpt-6-luna": None})
    assert not found.gone
