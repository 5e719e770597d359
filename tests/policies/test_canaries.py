"""Canaries: whom they take, what they concern, and what a configuration may not name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from app.caller import Caller
from app.config_file import CanaryTable, ConfigFile
from app.errors import SettingsError
from app.policies.canaries import Canaries, Canary, place
from app.policy_wiring import canaries
from tests.support import service

USERS = [f"user-{n}" for n in range(10_000)]
SERVED = {"name": "luna", "share": 1, "model": "gpt-4-turbo", "served_by": "gpt-6-luna"}
PROMPTED = {"name": "grounded", "share": 1, "operation": "character", "prompt_version": 2}


@pytest.mark.parametrize("share", [0.01, 0.05, 0.5])
def test_of_ten_thousand_users_it_takes_its_share(share: float) -> None:
    """Within four standard deviations, which chance leaves once in 16,000 times."""
    taken = sum(Canary("luna", share).takes(user) for user in USERS)
    deviation = math.sqrt(len(USERS) * share * (1 - share))
    assert abs(taken - len(USERS) * share) < 4 * deviation


def test_a_share_of_nought_takes_nobody_and_one_of_one_everybody() -> None:
    assert not any(Canary("luna", 0).takes(user) for user in USERS)
    assert all(Canary("luna", 1).takes(user) for user in USERS)


def test_a_share_that_grows_keeps_whoever_was_in() -> None:
    few = {user for user in USERS if Canary("luna", 0.05).takes(user)}
    assert few < {user for user in USERS if Canary("luna", 0.2).takes(user)}


def test_two_canaries_draw_their_users_independently() -> None:
    both = sum(Canary("a", 0.5).takes(user) and Canary("b", 0.5).takes(user) for user in USERS)
    deviation = math.sqrt(len(USERS) * 0.25 * 0.75)
    assert abs(both - len(USERS) / 4) < 4 * deviation


def test_a_users_place_is_the_same_in_every_version() -> None:
    """Another way of finding it would move every user of a running canary."""
    assert place("luna", "alice") == pytest.approx(PLACE_OF_ALICE, abs=1e-15)


PLACE_OF_ALICE = 0.5597054497973144


def test_it_concerns_its_tiers_its_operation_and_its_model() -> None:
    canary = Canary("luna", 1, ("pro",), "story", None, "gpt-4-turbo", "gpt-6-luna")
    assert canary.concerns("pro", "story", "gpt-4-turbo")
    assert not canary.concerns("standard", "story", "gpt-4-turbo")
    assert not canary.concerns("pro", "npc", "gpt-4-turbo")
    assert not canary.concerns("pro", "story", "gpt-6-sol")


def test_the_first_that_takes_a_request_has_it() -> None:
    found = Canaries([Canary("a", 0), Canary("b", 1, operation="story"), Canary("c", 1)])
    taken = [found.of(Caller("alice"), o, "gpt-4-turbo") for o in ("story", "npc")]
    assert [canary and canary.name for canary in taken] == ["b", "c"]


UNKNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "model": ({**SERVED, "model": "gpt-9"}, "luna: model names gpt-9; it may name gpt-4-turbo"),
    "served_by": ({**SERVED, "served_by": "storyteller"}, "luna: served_by names storyteller;"),
    "tier": ({**SERVED, "tiers": ("gold",)}, "tiers names gold; it may name free, standard"),
    "operation": ({**PROMPTED, "operation": "poem"}, "operation names poem; it may name character"),
    "prompt": ({**PROMPTED, "prompt_version": 3}, "prompt_version names 3; it may name 1, 2"),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_one_that_names_what_there_is_not_stops_the_start(tmp_path: Path, what: str) -> None:
    table, said = UNKNOWN[what]
    file = ConfigFile(canaries=(CanaryTable(**table),))
    given = service.settings(tmp_path, "redis://nowhere").model_copy(update={"file": file})
    with pytest.raises(SettingsError, match=r"LOREGATE_CONFIG: \[\[canaries\]\]") as stopped:
        canaries(given)
    assert said in str(stopped.value)


SENSELESS: dict[str, tuple[str, str]] = {
    "nothing": ('name = "a"\nshare = 0.1\n', "served_by or prompt_version is wanted"),
    "half": ('name = "a"\nshare = 0.1\nmodel = "m"\n', "model and served_by are wanted together"),
    "itself": ('name = "a"\nshare = 0.1\nmodel = "m"\nserved_by = "m"\n', "the model itself"),
    "prompt": ('name = "a"\nshare = 0.1\nprompt_version = 2\n', "operation is wanted too"),
    "share": ('name = "a"\nshare = 5\noperation = "npc"\nprompt_version = 1\n', "canaries.0.share"),
}


@pytest.mark.parametrize("what", SENSELESS)
def test_one_that_makes_no_sense_is_refused_with_the_reason(tmp_path: Path, what: str) -> None:
    text, said = SENSELESS[what]
    file = tmp_path / "loregate.toml"
    file.write_text(f"[[canaries]]\n{text}")
    with pytest.raises(SettingsError) as stopped:
        ConfigFile.read(file)
    assert said in str(stopped.value)


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "loregate.toml"
    one = '[[canaries]]\nname = "a"\nshare = 0.1\noperation = "npc"\nprompt_version = 1\n'
    file.write_text(one * 2)
    with pytest.raises(SettingsError, match="a stands there twice"):
        ConfigFile.read(file)
