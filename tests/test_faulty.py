"""The provider of `loregate dev --faulty`: what it mixes, and how it serves."""

from __future__ import annotations

import pytest

from app.embedded import faulty
from app.embedded.faults import FAULTS
from tests.raw import connected


def test_the_mix_is_two_fifths_good_and_has_every_fault_before_one_comes_again() -> None:
    mix = faulty.Mix(seed=1)
    drawn = [mix.draw() for _ in range(1000)]
    names = [name for name, _ in drawn if name != "good"]
    assert 500 < len(names) < 700
    assert set(names[: len(FAULTS)]) == FAULTS.keys()
    assert {b.lasts for _, b in drawn} == {faulty.LONGEST}
    assert min(b.pace for _, b in drawn) == faulty.PACE
    again = faulty.Mix(seed=1)
    assert [again.draw()[0] for _ in range(1000)] == [name for name, _ in drawn]


async def test_the_faulty_provider_serves_from_its_own_thread_and_names_its_faults(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "app")
    secret = "Vexis of the Hollow Reed"
    mix = faulty.Mix(seed=3)
    drawn = [mix.draw()[0] for _ in range(3)]
    with faulty.serving(seed=3) as url:
        for _ in drawn:
            async with connected(url) as client:
                await client.ask(messages=[{"role": "user", "content": secret}])
    served = [r.__dict__["fault"] for r in caplog.records]
    assert served == drawn
    assert secret not in caplog.text
    with pytest.raises(ConnectionRefusedError):
        async with connected(url):
            """Nobody is there."""
