"""Story: a plot, quest, scene, dialogue, description or event, with its summary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from app.llm.telling import supplied
from app.llm.telling.english import counted, listed, ordinal, polished, tokens
from app.llm.telling.grammar import Options, Telling, Unit, finished, introduced
from app.llm.telling.packs import Packs, tier
from app.operations.story import StoryDraft, StoryRequest

# The caller's parameters and further keys that name something in the tale.
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
NAMED = (*PEOPLE, "item", "foe", "lair")
AIMS = ("objective", "conflict", "reward")
MAX_EXTRA = 3
SHORT = re.compile(r"\b(?:short|brief|one.?shot|quick|tiny)\b", re.I)
LONG = re.compile(r"\b(?:long|extended|detailed|full|epic)\b", re.I)
FOES = (0.5, 1.0, 1.5)  # foes for each member of the party


def compose(packs: Packs, request: StoryRequest, rng: Random) -> StoryDraft:
    """The element and its summary, together at most `model.max_tokens` words and marks."""
    brief = _Brief(packs, request, rng)
    telling = Telling(rng, brief.words, brief.scopes, brief.once)
    units = telling.units(brief.plan())
    summary = polished(" ".join(brief.summary(telling)))
    room = request.model.max_tokens - tokens(summary)
    if missing := brief.missing(" ".join(unit.text for unit in units)):
        units.append(Unit(" ", polished(missing)))
    people = [found for c in CAST if (found := telling.called(c, packs.titles))]
    return StoryDraft(content=finished(introduced(units, people), room), summary=summary)


class _Brief:
    """What the caller laid down for the tale, in words that fit its sentences."""

    def __init__(self, packs: Packs, request: StoryRequest, rng: Random) -> None:
        self._packs, self._request, self._rng = packs, request, rng
        self._given = request.context.given()
        self._all = self._given | dict(request.parameters)
        self._step = tier(request.context.party_level or rng.randint(1, 6))
        mood = packs.mood(
            request.theme,
            *(self._all.get(k) for k in FEELING),
            request.context.campaign_theme,
            request.context.campaign_type,
        )
        self._mood = packs.mood_scope(mood)
        self.named = {w: said for w, keys in KEYS.items() if (said := self._named(w, keys))}
        self.words = self._words()
        self.scopes = self._scopes()
        self.once: Options = packs.story["once"] | packs.common["once"]

    def plan(self) -> Sequence[Sequence[str]]:
        story, element = self._packs.story, self._request.element_type.value
        length = self._all.get("length", "")[:100]
        if SHORT.search(length):
            short: Sequence[Sequence[str]] = story["short"][element]
            return short
        plan: list[list[str]] = story["plan"][element]
        return [*plan, *story["long"][element]] if LONG.search(length) else plan

    def summary(self, telling: Telling) -> list[str]:
        told = [telling.draw(f"summary_{self._request.element_type.value}")]
        known = {"flavour", "matter"} & self.words.keys()
        if known:
            name = "flavour" if len(known) == 2 else f"{known.pop()}_alone"
            told.append(telling.draw(f"summary_{name}"))
        return told

    def missing(self, text: str) -> str:
        """Sentences for what the caller named and the tale has not brought in."""
        lower, said = text.lower(), []
        for names, template in ((NAMED, "use_missing"), (AIMS, "use_aim")):
            told = (self.words[name] for name in names if name in self.named)
            if absent := [word for word in told if word.lower() not in lower]:
                chosen = self._rng.choice(self._packs.story["free"][template])
                said.append(chosen.replace("{missing}", listed(absent)))
        return " ".join(said)

    def _words(self) -> dict[str, str]:
        context = self._request.context
        words = {"a": "a", "element": self._request.element_type.value}
        words |= self._party()
        words |= self.named
        words["setting"] = self._setting()
        words["matter"] = supplied.subject(context.campaign_theme)
        words["campaign_type"] = supplied.noun(context.campaign_type)
        words["length"] = supplied.noun(self._all.get("length"))
        words["flavour"] = self._flavour()
        words["extra"] = self._extra()
        return {k: v for k, v in words.items() if v or k in ("party_s",)}

    def _named(self, word: str, keys: tuple[str, ...]) -> str:
        value = next((self._all[k] for k in keys if self._all.get(k)), None)
        return supplied.title(value) if word in PEOPLE else supplied.thing(value)

    def _party(self) -> dict[str, str]:
        context = self._request.context
        level = context.party_level
        size = context.party_size
        who = "the party" if size is None else f"{counted(size)} adventurers"
        if size == 1:
            who = "a lone adventurer"
        of_level = f"{who} of {ordinal(level)} level" if level else who
        foes = round((size or self._rng.randint(3, 6)) * self._rng.choice(FOES))
        many = size is not None and size > 1
        return {
            "party": of_level,
            "party_s": "" if many else "s",
            "foes": counted(max(2, foes)),
            "dc": str(9 + 2 * self._step + self._rng.randint(0, 3)),
        }

    def _setting(self) -> str:
        places = self._packs.story["places"]
        tried = [self._request.context.setting, *(self._all.get(k) for k in PLACES)]
        found = (supplied.place(value, places) for value in tried)
        return next(filter(None, found), "") or self._rng.choice(self._packs.common["once"]["town"])

    def _flavour(self) -> str:
        """Tone, style and genre in the caller's words, as they stand before `quest` or `scene`."""
        theme = self._request.theme
        said = [supplied.noun(v) for v in (theme.tone, theme.style, theme.genre)]
        words = " ".join(dict.fromkeys(" ".join(said).split()))
        return supplied.shortened(words)

    def _extra(self) -> str:
        used = {key for keys in KEYS.values() for key in keys} | {*PLACES, *FEELING}
        known = {"campaign_theme", "party_level", "party_size", "campaign_type", "setting"}
        return supplied.details(self._all, used | known | {"length"}, MAX_EXTRA)

    def _scopes(self) -> tuple[Options, ...]:
        story, common = self._packs.story, self._packs.common
        needs = {"use_matter": "matter", "use_type": "campaign_type", "use_length": "length"}
        needs |= {"use_extra": "extra", "use_conflict": "conflict"}
        free = {
            name: options
            for name, options in story["free"].items()
            if needs.get(name, "a") in self.words
        }
        summary = {f"summary_{k}": v for k, v in story["summary"].items()}
        return (self._mood, free, story[f"tier_{self._step}"], summary, common["free"])
