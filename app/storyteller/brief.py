"""Brief: what the caller laid down for a campaign, in words that fit its sentences."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from app.operations.fields import OpenObject, Theme
from app.storyteller import supplied
from app.storyteller.english import counted, listed, ordinal
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
LENGTHS = ("length", "duration")
KNOWN = frozenset(
    {"campaign_theme", "party_level", "party_size", "campaign_type", "setting"}
    | {*PLACES, *FEELING, *LENGTHS}
    | {key for keys in KEYS.values() for key in keys}
)
PEOPLE = ("villain", "giver", "a_name", "b_name")
CAST = ("villain", "giver", "other", "a_name", "b_name")
NAMED = (*PEOPLE, "item", "foe", "lair")
AIMS = ("objective", "conflict", "reward")
# Sentences that are told only of what the caller gave.
NEEDS = {
    "use_matter": "matter",
    "use_type": "campaign_type",
    "use_length": "length",
    "use_flavour": "flavour",
    "use_extra": "extra",
    "use_conflict": "conflict",
}
MAX_EXTRA = 3
FOES = (0.5, 1.0, 1.5)  # foes for each member of the party


class Brief:
    """The words for a text's fixed slots, and where its other slots draw from.

    `more` holds what the caller said beside the context; `used` names keys of either that the
    text speaks of in its own way.
    """

    def __init__(
        self,
        packs: Packs,
        context: OpenObject,
        theme: Theme,
        rng: Random,
        more: Mapping[str, Any] | None = None,
        used: frozenset[str] = frozenset(),
    ) -> None:
        self.packs, self.rng = packs, rng
        self.given = context.given()
        self.all = self.given | dict(more or {})
        self._theme = theme
        self._step = tier(self.given.get("party_level") or rng.randint(1, 6))
        self.mood = self._which_mood()
        self.named = {w: said for w, keys in KEYS.items() if (said := self._named(w, keys))}
        self.words = self._words(used)
        self.once: Options = packs.story["once"] | packs.common["once"]

    def scopes(self, *tables: Options) -> tuple[Options, ...]:
        """The tables and what all of them draw from, without what the caller gave no words for."""
        story = self.packs.story
        found = [
            self.packs.mood_scope(self.mood),
            *tables,
            story["free"],
            story[f"tier_{self._step}"],
        ]
        told = [
            {n: options for n, options in table.items() if NEEDS.get(n, "a") in self.words}
            for table in found
        ]
        return (*told, self.packs.common["free"])

    def people(self, expander: Expander) -> list[tuple[str, str]]:
        """Who was named in the telling, with the shorter names for those met before."""
        return [found for c in CAST if (found := expander.called(c, self.packs.titles))]

    def missing(self, text: str, templates: Options) -> str:
        """Sentences for what the caller named and the text has not brought in."""
        lower, said = text.lower(), []
        for names, template in ((NAMED, "use_missing"), (AIMS, "use_aim")):
            told = (self.words[name] for name in names if name in self.named)
            if absent := [word for word in told if word.lower() not in lower]:
                chosen = self.rng.choice(templates[template])
                said.append(chosen.replace("{missing}", listed(absent)))
        return " ".join(said)

    @property
    def length(self) -> str:
        """What the caller said of the length, as it came; `` when nothing was said."""
        return str(self._first(LENGTHS) or "")

    def _first(self, keys: tuple[str, ...]) -> Any:
        return next((self.all[k] for k in keys if self.all.get(k)), None)

    def _which_mood(self) -> str:
        matter, kind = (self.given.get(k) for k in ("campaign_theme", "campaign_type"))
        return self.packs.mood(self._theme, *(self.all.get(k) for k in FEELING), matter, kind)

    def _words(self, used: frozenset[str]) -> dict[str, str]:
        words = {"a": "a"} | self._party() | self.named
        words["setting"] = self._setting()
        words["matter"] = supplied.subject(self.given.get("campaign_theme"))
        words["campaign_type"] = supplied.noun(self.given.get("campaign_type"))
        words["length"] = supplied.noun(self._first(LENGTHS))
        words["flavour"] = self._flavour()
        words["extra"] = supplied.details(self.all, KNOWN | used, MAX_EXTRA)
        return {k: v for k, v in words.items() if v or k == "party_s"}

    def _named(self, word: str, keys: tuple[str, ...]) -> str:
        value = self._first(keys)
        return supplied.title(value) if word in PEOPLE else supplied.thing(value)

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
        tried = [self.given.get("setting"), *(self.all.get(k) for k in PLACES)]
        found = (supplied.place(value, places) for value in tried)
        return next(filter(None, found), "") or self.rng.choice(self.packs.common["once"]["town"])

    def _flavour(self) -> str:
        """Tone, style and genre in the caller's words, as they stand before `quest` or `scene`."""
        theme = self._theme
        said = [supplied.noun(v) for v in (theme.tone, theme.style, theme.genre)]
        words = " ".join(dict.fromkeys(" ".join(said).split()))
        return supplied.shortened(words)
