"""Pronouns: which of them a caller asks for."""

from __future__ import annotations

from random import Random

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
