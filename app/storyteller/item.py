"""Item: a magic item of some kind and rarity, with powers that are right for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from app.operations.item import (
    CONSUMED,
    ItemDraft,
    ItemKind,
    ItemRarity,
    ItemRequest,
    WrittenProperty,
    rarity_of,
)
from app.storyteller import brief, continuation, lengths, supplied
from app.storyteller.agreement import agreed, marked
from app.storyteller.asked import Asked
from app.storyteller.brief import Brief
from app.storyteller.continuation import Parent
from app.storyteller.english import article, polished, tokens
from app.storyteller.facts import Facts
from app.storyteller.grammar import Expander, Unit, introduced, scope
from app.storyteller.lengths import Length, Step
from app.storyteller.magic import RARITIES, capital, charges, powers, spells, titled
from app.storyteller.packs import Packs, tier
from app.storyteller.portrait import Portrait
from app.storyteller.premise import premise
from app.storyteller.prose import Composed
from app.storyteller.sheet import fitted, text, within

Table = Mapping[str, Any]

NAME_KEYS = ("item_name", "name", "item", "artifact", "artefact")
FORM_KEYS = ("form", "item_form", "base_item")
CLASS_KEYS = ("character_class", "class")
# Of a hundred items of each rarity, how many have a drawback and how many want attunement.
PRICED = dict(zip(RARITIES, (10, 20, 35, 45, 60, 100), strict=True))
ATTUNED = dict(zip(RARITIES, (0, 40, 70, 90, 100, 100), strict=True))
DARK, DARKER = ("horror", "dark"), 75  # tales in which more have a drawback, and how many
CURSED = re.compile(r"\b(?:curse|doom|damn|haunt|bargain)", re.I)
WHOLE = 60  # of a hundred lasting things, how many have a life of origins.toml
LIFE = {"made": "past_maker", "since": "past_since", "sign": "sign", "where": "found_where",
        "how": "found_how"}  # fmt: skip
UNTOLD = {"look": 2, "past": 3}  # of five items, how many are told of without it
USUAL = 165  # words
RECHARGE = 10  # words of it
TRIES = 6  # tellings for a number of words
FIELDS = ("description", "properties", "history", "drawback", "found")
CORE = ("form_look", "effect_1", "past_maker", "price", "found_where")  # of the shortest
EMPTY = Unit("", "")
# What has decided something, so that its words need not stand in the text.
STEERING = ("party_level", "party_size", "campaign_type", "tone", "mood", "atmosphere", "genre",
            "style")  # fmt: skip
# Whom or what the caller named, and the list of sentences that must then speak of it.
SPOKEN_OF = {"villain": "last_owner", "giver": "how", "lair": "where", "foe": "where",
             "setting": "where"}  # fmt: skip
CASTERS = (ItemKind.ROD, ItemKind.STAFF, ItemKind.WAND)
MAX_SEARCHED = 400  # characters of a caller's value in which words are looked for
MAKE = re.compile(r"\A(?:pair|suit|coat) of |\A(?:plain|slender|small|broad|twisted) ")


def compose(
    packs: Packs, request: ItemRequest, rng: Random, continues: str | None = None
) -> Composed:
    """The item, in at most `model.max_tokens` words and marks."""
    plan = _Plan(packs, request, rng, continuation.read(continues))
    told = _fitted(plan, rng)
    name = capital(supplied.LEADING.sub("", plan.name or told.item))
    canon = Portrait(packs, plan.asked, Facts(), [], rng)
    beside = f"{told.text} {name} {plan.attunement or ''}"
    told.fields["description"] += canon.canon(beside)
    draft = _draft(plan, name, told, {field: [EMPTY] for field in told.fields})
    fields, cut = within(told.fields, request.model.max_tokens - tokens(draft.model_dump_json()))
    draft = _draft(plan, name, told, fields)
    return Composed(draft, cut, canon.lost(f"{name} {draft.model_dump_json()}"))


def _fitted(plan: _Plan, rng: Random) -> _Told:
    """One telling; where a number of words was asked for and passed, the shortest of some."""
    found: list[_Told] = []
    for seed in (rng.getrandbits(64) for _ in range(TRIES)):
        found.append(fitted(plan.steps, plan.length, partial(_told, plan, seed)))
        if not plan.length.exact or found[-1].words <= plan.length.words:
            return found[-1]
    return min(found, key=lambda told: told.words)


def _draft(plan: _Plan, name: str, told: _Told, fields: Mapping[str, Sequence[Unit]]) -> ItemDraft:
    return ItemDraft(
        name=name,
        attunement=plan.attunement,
        description=text(fields["description"]),
        properties=list(_properties(plan, told.telling, fields["properties"])),
        history=text(fields["history"]),
        drawback=text(fields["drawback"]) or None,
        found=text(fields["found"]),
    )


@dataclass
class _Told:
    """The fields of one telling, and what tells the names of its powers."""

    telling: Expander
    item: str
    fields: dict[str, list[Unit]]
    beside: int  # words of how charges come back

    @property
    def text(self) -> str:
        return " ".join(unit.text for units in self.fields.values() for unit in units)

    @property
    def words(self) -> int:
        return lengths.words(self.text) + self.beside


def _told(plan: _Plan, seed: int, chosen: Sequence[Step]) -> _Told:
    """The chosen steps in their order; no sentence twice."""
    once = {**plan.brief.once, **plan.own_words(), "item": plan.form["name"]}
    scopes, same = plan.brief.scopes(plan.words, *plan.tables), plan.brief.packs.same
    telling = Expander(Random(seed), plan.words, scopes, once, same)
    item = plan.name or telling.draw("item")
    fields: dict[str, list[Unit]] = {field: [] for field in FIELDS}
    said: set[str] = set()
    for step in chosen:
        if not telling.knows(step.pool):
            continue
        sentence = polished(agreed(telling.draw(step.pool)))
        if sentence not in said:
            fields[step.field].append(Unit(" ", sentence))
        said.add(sentence)
    people = plan.brief.people(telling)
    named = iter(introduced([u for units in fields.values() for u in units], people))
    told = {field: [next(named) for _ in units] for field, units in fields.items()}
    return _Told(telling, item, told, RECHARGE * any(p.get("charges") for p in plan.powers))


class _Plan:
    """What is decided before the telling: form, aspect, powers with their numbers, attunement."""

    def __init__(self, packs: Packs, request: ItemRequest, rng: Random, parent: Parent) -> None:
        self.kind, self.rarity = request.kind, rarity_of(request)
        given = request.context.given()
        self.asked = Asked(context=given)
        self.name = _said(given, NAME_KEYS, supplied.title)
        noun = _said(given, FORM_KEYS, _one)
        bearer = _said(given, CLASS_KEYS, supplied.noun)
        attuned = self.kind not in CONSUMED and rng.randrange(100) < ATTUNED[self.rarity]
        self.brief = Brief(packs, request.context, request.theme, rng)
        self.feeling = [*request.theme.given().values(), given.get("campaign_theme", "")]
        self.length = lengths.asked(given.items(), USUAL)
        self._understand()
        label, self.form = _form(packs, self.kind, noun, rng)
        self.aspect = _aspect(packs, request, self.brief.mood, rng)
        self.origin = self._origin(packs, label, rng)
        self.attunement = self._attunement(bearer, rng) if attuned else None
        self.powers = list(powers(packs.item, label, self.kind, self.rarity, rng))
        self.charges = charges(packs.item["charges"], self.kind, self.rarity, rng)
        self.words = self.brief.words | self._words(packs, given, noun, rng)
        self.words |= _continued(parent, self.asked, self.brief.named) | _matter(packs, given)
        if _many(villain := self.words.get("villain", "")):
            self.words["villain"] = marked(villain, many=True)
        self.tables = [*self._tables(packs, rng), self._about(packs.item), packs.item["words"]]
        self.steps = [
            Step(said.partition("@")[0], self._need(said), "", at, field)
            for field in FIELDS
            for at, said in enumerate(packs.item["sheet"][field])  # so that no two are the same
        ]

    def _origin(self, packs: Packs, label: str, rng: Random) -> Table:
        """A life of the thing, whose parts belong together; nothing where it is told freely.

        A life speaks of one villain, and of no lair nor monster that the caller named.
        """
        named = self.brief.named
        if self.kind in CONSUMED or {"lair", "foe"} & {*named} or _many(named.get("villain", "")):
            return {}
        lives = packs.origins["origin"]
        able = [o for o in lives if {self.kind.value, label} & {*o.get("of", (label,))}]
        return rng.choice(able) if rng.randrange(100) < WHOLE else {}

    def own_words(self) -> dict[str, Sequence[str]]:
        """The words of the thing's life that are drawn once."""
        own = {n.removeprefix("v_"): w for n, w in self.origin.items() if n.startswith("v_")}
        return own | {"who": ["{person} {surname}"]}

    def _need(self, said: str) -> int:
        """All that a thing does is told, unless a shorter text was asked for."""
        name, _, need = said.partition("@")
        if self.length.words < USUAL and name not in CORE:
            return int(need) or 1
        return 0 if name.startswith("effect") else int(need)

    def _understand(self) -> None:
        """Which keys become words of sentences, and which only decide something."""
        self.asked.steer(*STEERING)
        if self.length != Length(USUAL):
            self.asked.steer(*lengths.KEYS)
        keys = [key for some in brief.KEYS.values() for key in some]
        self.asked.understand((*keys, *brief.PLACES, "setting", *NAME_KEYS, *FORM_KEYS,
                               *CLASS_KEYS, "campaign_theme"))  # fmt: skip

    def _about(self, grammar: Table) -> Table:
        """The sentences of every item; of some lists only those that speak of whom was named."""
        texts = dict(grammar["text"])
        named = {*self.brief.named}
        if self.asked.get("setting", *brief.PLACES):
            named.add("setting")
        for word, pool in SPOKEN_OF.items():
            slot = f"{{{word}}}"
            if word in named and (able := [line for line in texts[pool] if slot in line]):
                texts[pool] = able
        if _many(self.brief.named.get("villain", "")):
            texts["last_owner"] = texts["last_owner_many"]
        return texts

    def _attunement(self, bearer: str, rng: Random) -> str:
        if bearer:
            return f"{article(bearer)} {bearer}"
        if self.kind in CASTERS:
            return str(rng.choice(self.aspect["caster"]))
        return str(rng.choice(["anyone", *self.aspect["who"]]))

    def _words(self, packs: Packs, given: Table, noun: str, rng: Random) -> dict[str, str]:
        """The fixed slots that only an item has."""
        level = given.get("party_level")
        step = tier(level) - 1 if level else rng.randrange(4)
        strength = packs.item["rarity"][self.rarity]
        words = {n: _at(v, step) for n, v in strength.items()}
        words |= spells(packs, self.aspect, strength, self.powers, rng)
        form = noun or rng.choice(self.form["noun"])
        title = rng.choice(self.form.get("title", [MAKE.sub("", form)]))
        words |= {"form": form, "form_title": titled(title), "use": self.form["use"]}
        words |= {"regained": self.charges[1]}
        one = self.brief.words["party_s"]
        words |= {"party_ve": "s" if one else "ve", "party_ies": "ies" if one else "y"}
        return words | ({"item": _named(self.name)} if self.name else {})

    def _tables(self, packs: Packs, rng: Random) -> Iterator[Table]:
        consumed = self.kind in CONSUMED
        yield scope("form", self.form)
        # What befell a lasting thing would be odd to hear of a phial. Not every item is told of by
        # what it is about: there are three sentences for each, and they would be met too often.
        untold = {n for n, of_five in UNTOLD.items() if rng.randrange(5) < of_five}
        untold |= {"past"} if consumed or self.origin else set()
        yield scope("aspect", {n: v for n, v in self.aspect.items() if n not in untold})
        for number, power in enumerate(self.powers, 1):
            yield {f"effect_{number}": power["effect"], f"power_{number}": power["name"]}
        manner = dict(packs.item["consumed" if consumed else "lasting"])
        if "villain" in self.brief.named:
            manner["past_since"] = [m for m in manner["past_since"] if "{last_owner" in m]
        great = manner.pop("great_price")
        prices = [*manner.pop("price"), *self.aspect["flaw_once" if consumed else "flaw"]]
        prices = self.origin.get("price", prices)
        if self.rarity is ItemRarity.ARTIFACT:
            prices = great
        manner |= {pool: self.origin[n] for n, pool in LIFE.items() if n in self.origin}
        if self._priced(rng):
            manner["price"] = [p for p in prices if self.attunement or "attuned" not in p]
        yield manner

    def _priced(self, rng: Random) -> bool:
        if any(CURSED.search(str(said)[:MAX_SEARCHED]) for said in self.feeling):
            return True
        of_hundred = PRICED[self.rarity]
        if self.brief.mood in DARK:
            of_hundred = max(of_hundred, DARKER)
        return rng.randrange(100) < of_hundred


def _many(name: str) -> bool:
    """Whether a name is that of several: the wolves of the fell."""
    words = name.split(" of ")[0].split()
    return name.startswith("the ") and len(words) > 1 and words[-1].endswith("s")


def _continued(parent: Parent, asked: Asked, named: Table) -> dict[str, str]:
    """The parent's cast, place and open thread, where the caller has named nobody else."""
    found = dict(zip(("giver", "other", "third"), parent.people, strict=False))
    found |= {"villain": parent.enemy, "thread": parent.thread}
    if not asked.get("setting", *brief.PLACES):
        found["setting"] = parent.place
    return {name: said for name, said in found.items() if said and name not in named}


def _matter(packs: Packs, given: Table) -> dict[str, str]:
    """What the campaign is about: a thing to be done, or a matter that is spoken of."""
    said = premise(given.get("campaign_theme"), packs.spines["spine"], packs.nouns)
    if said.action and said.matter:
        return {"deed": said.matter[:1].lower() + said.matter[1:]}
    found = supplied.subject(given.get("campaign_theme"))
    return {"matter": found} if found else {}


def _said(given: Table, keys: Sequence[str], made: Any) -> str:
    """What the caller gave under the first of the keys that has fit words."""
    return next((said for key in keys if (said := made(given.get(key)))), "")


def _one(value: Any) -> str:
    """A kind of thing of which there is one: what looks like many would not fit the sentences."""
    noun = supplied.noun(value)
    return "" if noun.endswith("s") and not noun.endswith(("ss", "us")) else noun


def _form(packs: Packs, kind: ItemKind, noun: str, rng: Random) -> tuple[str, Table]:
    """A form of the kind and its label; that with the caller's noun, where one has it."""
    forms = {n: f for n, f in packs.item["form"].items() if f["kind"] == kind}
    having = [n for n, f in forms.items() if any(word in noun for word in f["noun"])]
    label = rng.choice(having if noun and having else list(forms))
    return label, forms[label]


def _aspect(packs: Packs, request: ItemRequest, mood: str, rng: Random) -> Table:
    """What the item is about: as the caller's words have it, else as the kind of tale wants it."""
    said = [*request.theme.given().values(), *request.context.given().values()]
    text = " ".join(str(value)[:MAX_SEARCHED] for value in said).lower()
    words = {word.removesuffix("s") for word in re.findall(r"[a-z]+", text)}
    aspects = list(packs.aspects["aspect"].values())
    asked = [a for a in aspects if words & {w.removesuffix("s") for w in a["says"]}]
    suited = [a for a in aspects if mood in a["moods"]]
    found: Table = rng.choice(asked or suited)
    return found


def _properties(
    plan: _Plan, telling: Expander, effects: Sequence[Unit]
) -> Iterator[WrittenProperty]:
    """The powers whose effects had room, each with its name and, where it has some, its charges."""
    for number, (power, effect) in enumerate(zip(plan.powers, effects, strict=False), 1):
        charged = power.get("charges", False)
        yield WrittenProperty(
            name=capital(polished(telling.draw(f"power_{number}"))),
            effect=effect.text,
            charges=plan.charges[0] if charged else None,
            recharge=polished(telling.draw("recharge")) if charged else None,
        )


def _at(value: Any, step: int) -> str:
    """A number of a rarity; where it grows, as the party's tier of play has it."""
    return str(value[min(step, len(value) - 1)] if isinstance(value, list) else value)


def _named(name: str) -> str:
    """A given name as it stands in a sentence: Excalibur, the Amulet."""
    found = supplied.LEADING.match(name)
    return f"the {name[found.end() :]}" if found else name
