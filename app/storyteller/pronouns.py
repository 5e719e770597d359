"""Pronouns: how a person is spoken of, and a name that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

PRONOUNS = {
    "she": ("she", "her", "her", "hers", "herself"),
    "he": ("he", "him", "his", "his", "himself"),
    "they": ("they", "them", "their", "theirs", "themself"),
}
SAYS = {
    "she": ("she", "her", "female", "woman", "girl", "f"),
    "he": ("he", "him", "male", "man", "boy", "m"),
    "they": ("they", "them", "nonbinary", "non-binary", "enby", "other"),
}


def which(said: object, is_named: bool, rng: Random) -> str:
    """What the caller says; for a name without it `they`, for a drawn name a drawn one."""
    words = str(said or "").lower().replace("/", " ").split()
    for pronoun, known in SAYS.items():
        if words and words[0].strip(",.") in known:
            return pronoun
    return "they" if is_named else rng.choice(("she", "he"))


def pronouns(pronoun: str) -> dict[str, str]:
    """The words and the verbs' endings that the slots of a text take for a pronoun."""
    they, them, their, theirs, self_ = PRONOUNS[pronoun]
    many = pronoun == "they"
    return {
        "they": they, "them": them, "their": their, "theirs": theirs, "themself": self_,
        "s": "" if many else "s", "es": "" if many else "es",
        "ies": "y" if many else "ies", "has": "have" if many else "has",
        "is": "are" if many else "is", "was": "were" if many else "was",
    }  # fmt: skip


def named(race: Mapping[str, list[str]], pronoun: str, rng: Random) -> str:
    """A name of a race that goes with the pronoun, which for `they` may be any."""
    first = race.get(pronoun) or [*race["she"], *race["he"]]
    return f"{rng.choice(first)} {rng.choice(race['family'])}"
