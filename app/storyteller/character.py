"""Character: backstory, personality, way of fighting and pack of a player's character."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from app.operations.character import CharacterRequest
from app.storyteller import supplied
from app.storyteller.english import ordinal
from app.storyteller.grammar import Expander, Options, finished, introduced, scope
from app.storyteller.packs import Packs, known, seeded, tier
from app.storyteller.pronouns import named, pronouns, which

# The caller's further keys that have a sentence of their own, and what they are called here.
KEYS = {
    "name": ("name", "character_name", "full_name"),
    "home": ("home", "hometown", "homeland", "birthplace", "origin"),
    "deity": ("deity", "god", "faith", "religion"),
    "patron": ("patron",),
    "goal": ("goal", "motivation", "ambition", "quest"),
    "family": ("family", "relatives", "parents", "siblings"),
    "enemy": ("enemy", "nemesis", "villain"),
    "rival": ("rival",),
    "mentor": ("mentor", "teacher", "master"),
    "weapon": ("weapon", "favorite_weapon", "favourite_weapon"),
    "trait": ("trait", "traits", "personality", "personality_traits"),
    "pronouns": ("pronouns", "gender", "sex"),
}
PROPER = ("name", "home", "deity", "patron", "enemy", "rival", "mentor")
GIVEN = ("home", "deity", "goal", "family", "enemy", "weapon", "trait")
CAST = ("name", "mentor", "rival", "enemy")
MAX_EXTRA = 3  # further keys that one text mentions
CONDUCT = ("lawful", "chaotic", "neutral")
NATURE = ("good", "evil", "neutral")


def compose(packs: Packs, request: CharacterRequest, rng: Random) -> str:
    """The text that was asked for, of at most `model.max_tokens` words and marks."""
    given = request.character_context.given()
    # Name, pronoun and home hang on the context and the seed alone, so that with one seed a
    # backstory and a combat text of one character speak of the same person.
    who = _Person(packs, given, seeded("person", given, request.model.seed))
    mood = packs.mood(request.theme)
    expander = Expander(rng, who.words, (*who.scopes, packs.mood_scope(mood)), packs.common["once"])
    plan = packs.character["plan"][request.type.value]
    units = expander.units(plan)
    people = [found for c in CAST if (found := expander.called(c, packs.titles))]
    return finished(introduced(units, people), request.model.max_tokens)


class _Person:
    """Who is written about: the caller's words where there are some, drawn ones where not."""

    def __init__(self, packs: Packs, given: Mapping[str, Any], rng: Random) -> None:
        self._packs, self._given, self._rng = packs, given, rng
        self._told = {what: self._first(keys) for what, keys in KEYS.items()}
        self.level = given.get("character_level") or rng.randint(1, 3)
        self._class, self._class_noun = self._kind("character_class", packs.classes)
        self._race, self._race_noun = self._kind("character_race", _races(packs))
        self._background, self._background_noun = self._past()
        self._pronoun = which(self._told["pronouns"], bool(self._told["name"]), self._rng)
        self.words = self._words()
        self.scopes = self._scopes()

    def _first(self, keys: tuple[str, ...]) -> Any:
        return next((self._given[k] for k in keys if self._given.get(k) not in (None, "")), None)

    def _kind(self, key: str, packs: Mapping[str, Any]) -> tuple[str, str]:
        """The pack for a class or race, and the noun to call it by."""
        value = self._given.get(key)
        found = known(value, packs)
        noun = supplied.noun(value)
        if noun:
            return found or "homebrew", noun
        if found is None:
            found = self._rng.choice([name for name in packs if name != "homebrew"])
        return found, found.replace("_", "-")

    def _past(self) -> tuple[str, str]:
        value = self._given.get("background")
        packs = self._packs.people["background"]
        words = {word: name for name, pack in packs.items() for word in pack["words"]}
        found = known(value, words)
        noun = supplied.noun(value)
        if found:
            return words[found], noun
        if value:
            return ("supplied" if noun else "homebrew"), noun
        return self._rng.choice([name for name, pack in packs.items() if pack["words"]]), noun

    def _words(self) -> dict[str, str]:
        race = self._packs.people["race"][self._race]
        told = {w: supplied.title(self._told[w]) for w in PROPER}
        told |= {w: supplied.subject(self._told[w]) for w in ("goal", "family", "weapon", "trait")}
        told |= {
            "home": self._home(),
            "name": told["name"] or named(race, self._pronoun, self._rng),
        }
        return (
            pronouns(self._pronoun)
            | {k: v for k, v in told.items() if v}
            | {
                "a": "a",
                "class": self._class_noun,
                "race": self._race_noun,
                "background": self._background_noun,
                "level": ordinal(self.level),
            }
        )

    def _home(self) -> str:
        places = self._packs.story["places"]
        home = supplied.place(self._told["home"], places)
        return home or self._rng.choice(self._packs.common["once"]["town"])

    def _scopes(self) -> tuple[Options, ...]:
        step = tier(self.level)
        cls = scope("class", self._packs.classes[self._class])
        cls["class_tier"] = cls[f"class_t{step}"]
        people, texts = self._packs.people, self._packs.character
        return (
            self._given_texts(),
            cls,
            scope("race", _races(self._packs)[self._race]),
            scope("background", people["background"][self._background]),
            scope("conduct", people["conduct"][self._side(CONDUCT)]),
            scope("nature", people["nature"][self._side(NATURE)]),
            texts[f"tier_{step}"],
            {k: v for k, v in texts["text"].items() if not k.startswith("given_")},
            self._packs.common["free"],
        )

    def _side(self, axis: tuple[str, ...]) -> str:
        said = str(self._given.get("alignment") or "").lower()[:100].replace("-", " ").split()
        return next((side for side in axis if side in said), "neutral")

    def _given_texts(self) -> Options:
        """Sentences for what the caller told beyond class and race."""
        texts = self._packs.character["text"]
        found = {f"given_{w}": texts[f"given_{w}"] for w in GIVEN if w in self.words_told}
        if "weapon" in self.words_told:
            found["given_weapon_item"] = texts["given_weapon_item"]
        if extra := self._extra():
            self.words["extra"] = extra
            found["given_extra"] = texts["given_extra"]
        background = self._given.get("background")
        if background and supplied.is_talk(background):
            self.words["talk"] = supplied.quotation(background)
            found["given_talk"] = texts["given_talk"]
        return found

    @property
    def words_told(self) -> list[str]:
        return [w for w in GIVEN if self._told[w] is not None and self.words.get(w)]

    def _extra(self) -> str:
        used = {key for keys in KEYS.values() for key in keys}
        known_keys = {"character_class", "character_race", "character_level", "alignment"}
        return supplied.details(self._given, used | known_keys | {"background"}, MAX_EXTRA)


def _races(packs: Packs) -> Mapping[str, Any]:
    races: Mapping[str, Any] = packs.people["race"]
    return races
