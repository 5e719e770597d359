"""Weak secrets: those that are long enough and guessed all the same.

Lists of secrets that people copy from examples are tried against any token that is found: one
signed under such a secret lets whoever guesses it sign as anybody (RFC 8725, section 3.5).
"""

from __future__ import annotations

import re
from itertools import pairwise

MIN_CHARACTERS = 8  # different ones; 32 random hexadecimal digits have 14 of 16
MAX_PERIOD = 16  # characters; what repeats so short a piece is that piece
MAX_SEQUENCE = 0.75  # share of characters that are the next one of the alphabet or the keyboard
MIN_LEFT = 6  # different characters that are left without the words of examples

ROWS = "abcdefghijklmnopqrstuvwxyz|01234567890|qwertyuiop|asdfghjkl|zxcvbnm|9876543210"
NEXT = frozenset(pairwise(ROWS))
EXAMPLES = """
    your 256 512 128 32 64 bit bits byte bytes char chars character characters secret super top very
    change changeme changeit replace replaceme with this that is it in to me my a an the for and or
    not do dont use please must be at least long longer enough should string random value key keys
    jwt jws hs256 hs512 token auth api app signing sign password pass passwd passphrase default
    example sample demo test testing dev develop development prod production local insecure unsafe
    secure safe placeholder here some any new loregate admin root user qwerty letmein 0123456789
    1234567890 123456789 123456 12345 1234 123 abc
"""
WORDS = re.compile("|".join(sorted(EXAMPLES.split(), key=len, reverse=True)))


def weakness(secret: str) -> str | None:
    """Why a secret is guessed easily; None where nothing speaks for it."""
    if len(set(secret)) < MIN_CHARACTERS:
        return f"has {len(set(secret))} different characters"
    if (period := _period(secret)) <= MAX_PERIOD:
        return f"repeats the same {period} characters"
    steps = list(pairwise(secret.lower()))
    if sum(step in NEXT for step in steps) > MAX_SEQUENCE * len(steps):
        return "is a row of the alphabet or the keyboard"
    if len(set(re.sub(r"[\W_]", "", WORDS.sub("", secret.lower())))) < MIN_LEFT:
        return "is made of words that stand in examples"
    return None


def _period(text: str) -> int:
    """The length of the piece that the text repeats, the last time perhaps in part."""
    return next(n for n in range(1, len(text) + 1) if text[n:] == text[:-n])
