"""Brief: what the caller laid down for a campaign, in words that fit its sentences."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from app.operations.fields import OpenObject, Theme
from app.storyteller import supplied
from app.storyteller.english import counted, ordinal
from app.storyteller.grammar import Expander, Options
from app.storyteller.packs import Packs, tier

# The caller's further keys that name something in the tale.
KEYS = {
    "villain": ("villain", "antagonist", "enemy", "bbeg"),
    "giver": ("quest_giver", "giver", "npc", "ally", "patron"),
    "a_name": ("speaker", "speaker_a", "character", "protagonist"),
    "b_name": ("listener", "speaker_b", "other_character", "second_character"),
    "item": ("item", "artifact", "artefact", "macguffin", "treasure"),
    "reward": ("reward",),
    "foe": ("monster", "monsters", "creature", "foe", "foes"),
    "lair": ("dungeon", "lair"),
    "objective": ("objective", "goal"),
    "conflict": ("conflict", "stakes"),
}
PLACES = ("location", "place", "region", "world")
FEELING = ("tone", "mood", "atmosphere", "genre", "style")
PEOPLE = ("villain", "giver", "a_name", "b_name")
CAST = ("villain", "giver", "other", "a_name", "b_name")
# Sentences that are told only where there are words for them.
NEEDS = {
    "use_deed": "deed",
    "use_matter": "matter",
    "use_conflict": "conflict",
    "goes_on": "thread",
}
FOES = (0.5, 1.0, 1.5)  # foes for each member of the party


class Brief:
    """The words for a text's fixed slots, and where its other slots draw from."""

    def __init__(self, packs: Packs, context: OpenObject, theme: Theme, rng: Random) -> None:
        self.packs, self.rng = packs, rng
        self.given = context.given()
        self._theme = theme
        self._step = tier(self.given.get("party_level") or rng.randint(1, 6))
        self.mood = self._which_mood()
        self.named = {w: said for w, keys in KEYS.items() if (said := self._named(w, keys))}
        self.words = {"a": "a"} | self._party() | self.named | {"setting": self._setting()}
        self.once: Options = packs.story["once"] | packs.common["once"]

    def scopes(self, words: Mapping[str, str], *tables: Options) -> tuple[Options, ...]:
        """The tables and what all of them draw from, without what there are no words for."""
        story = self.packs.story
        found = [
            self.packs.mood_scope(self.mood),
            *tables,
            story["free"],
            story[f"tier_{self._step}"],
        ]
        told = [
            {n: options for n, options in table.items() if NEEDS.get(n, "a") in words}
            for table in found
        ]
        return (*told, self.packs.common["free"])

    def people(self, expander: Expander) -> list[tuple[str, str]]:
        """Who was named in the telling, with the shorter names for those met before."""
        return [found for c in CAST if (found := expander.called(c, self.packs.titles))]

    def _first(self, keys: tuple[str, ...]) -> Any:
        return next((self.given[k] for k in keys if self.given.get(k)), None)

    def _which_mood(self) -> str:
        matter, kind = (self.given.get(k) for k in ("campaign_theme", "campaign_type"))
        return self.packs.mood(self._theme, *(self.given.get(k) for k in FEELING), matter, kind)

    def _named(self, word: str, keys: tuple[str, ...]) -> str:
        value = self._first(keys)
        thing = supplied.thing(value)
        return thing if word not in PEOPLE or thing.startswith("the ") else supplied.title(value)

    def _party(self) -> dict[str, str]:
        level, size = self.given.get("party_level"), self.given.get("party_size")
        who = "the party" if size is None else f"{counted(size)} adventurers"
        if size == 1:
            who = "a lone adventurer"
        of_level = f"{who} of {ordinal(level)} level" if level else who
        foes = round((size or self.rng.randint(3, 6)) * self.rng.choice(FOES))
        many = size is not None and size > 1
        return {
            "party": of_level,
            "party_s": "" if many else "s",
            "foes": counted(max(2, foes)),
            "dc": str(9 + 2 * self._step + self.rng.randint(0, 3)),
        }

    def _setting(self) -> str:
        places = self.packs.story["places"]
        tried = [self.given.get("setting"), *(self.given.get(k) for k in PLACES)]
        found = (supplied.place(value, places) for value in tried)
        return next(filter(None, found), "") or self.rng.choice(self.packs.common["once"]["town"])
