"""Givens: what is known beside a text, where the text says otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.storyteller.inflection import bases
from app.storyteller.issues import Findings, error, warning
from app.storyteller.passage import MAX_SENTENCE, MAX_TOLD, Passage, quoted
from app.storyteller.subject import ANOTHER, NAME_KEYS, first, meant_by, name_parts

MAX_FACTS, MAX_FACT = 40, 400  # facts that are read, and characters of each
KIN = (
    "mother|father|brother|sister|wife|husband|son|daughter|uncle|aunt|grandmother|grandfather"
    "|mentor|master|king|queen|friend|teacher|captain|twin|parents|lover|fiancé|betrothed"
)
DEAD = re.compile(
    r"\b(?:is dead|are dead|was killed|were killed|has died|have died|had died|died|is deceased"
    r"|deceased|was slain|passed away|was murdered|were murdered|was executed|is buried|was buried"
    r"|drowned|perished|dead)\b"
)
GONE_KIN = re.compile(rf"\b({KIN})\b[^.;]{{0,30}}?{DEAD.pattern}", re.I)
GONE_NAME = re.compile(rf"\b([A-Z][a-z]+(?: [A-Z][a-z]+)?)(?: [a-z]+){{0,2}}? {DEAD.pattern}")
ORPHAN = re.compile(r"\borphan(?:ed)?\b|\bboth (?:her |his |my )?parents are dead\b", re.I)
# With one of these a sentence speaks of the time before, of a grave or of a dream.
EARLIER = re.compile(
    r"\b(?:had|used to|once|remember\w*|memor\w+|dream\w*|ghost|spirit|grave|tomb|buried|died|dead"
    r"|death|late|killed|before (?:she|he|they)|when (?:i|she|he) was|as a child|years ago|long ago"
    r"|would|in life|was alive|still alive then|portrait|last words|taught|raised|gave birth|left"
    r"|never|no longer|if|as though|as if|wished|childhood|always|murder\w*|funeral|voice|loved"
    r"|born|inherit\w*)\b", re.I
)  # fmt: skip
LIVING = frozenset(
    """write say smile laugh speak walk come wait call send cook stand sit sing nod shout whisper
    answer ask look watch open pour wave kiss embrace hug greet visit return arrive knit weave
    work tend bake sell buy hold take bring give hand reply scold beckon live keep hope believe
    want need know think tell run ride lead fight pray sleep wake eat drink marry grow stir shake
    frown sigh weep cry""".split()  # noqa: SIM905 - a list of 70 words is read as prose
)
FROM = r"(?:letters?|notes?|word|news|messages?|gifts?) (?:\w+ ){{0,2}}from (?:{own} )?{who}"
BORN = re.compile(
    r"\b(?:[Bb]orn|[Rr]aised|reared|brought up|grew up|hails?|native|comes?|came) (?:and raised )?"
    r"(?:in|at|of|from) (?:the (?:city|town|village|port|hamlet) of )?"
    r"((?:[A-Z][\w'’-]+)(?: [A-Z][\w'’-]+)*)"
)
# The words right before it whose subject was born there.
OWN = r"\b(?:{who})(?:'d)?(?: (?:was|were|is|had|has|been|originally))*$"
HOME_KEYS = ("birthplace", "hometown", "home_town", "home", "origin", "born_in", "place_of_birth",
             "place", "location", "town", "city")  # fmt: skip
COLOURED = {
    "hair": ("hair", "hair_color", "hair_colour"),
    "eyes": ("eyes", "eye_color", "eye_colour"),
}
COLOURS = ("black", "brown", "red", "blond", "blonde", "golden", "grey", "gray", "white", "silver",
           "blue", "green", "auburn", "copper", "violet", "hazel", "amber")  # fmt: skip
CALLED = re.compile(
    r"\b(?:my name is|i am called|they call me|i'm called|call me)"
    r" ((?-i:[A-Z])[\w'’-]+)",
    re.I,
)
AGED = (
    r"\b(?:(i) am|(i)'m|({who}) (?:is|was|turned),?(?: now| only| just)?|(aged)) (\d{{1,4}})"
    r"(?= years| winters| summers|,|\.|$)"
)
THEN = re.compile(r"\b(?:when|then|at the time|that year|ago|before|until)\b")
AGE_KEYS = ("age", "character_age")
GENDER_KEYS = ("gender", "sex", "pronouns", "character_gender")
GENDERS = {
    "she": frozenset(["she", "her", "hers", "herself", "female", "woman", "girl", "lady", "f"]),
    "he": frozenset(["he", "him", "his", "himself", "male", "man", "boy", "gentleman", "m"]),
}
PRONOUNS = {"she": r"\b(?:she|her|hers|herself)\b", "he": r"\b(?:he|him|his|himself)\b"}
WORD, ARTICLE = re.compile(r"[a-z]+"), re.compile(r"\b(?:the|an?)\b", re.I)
INNER_NAME = re.compile(r"(?<=[\w,;] )[A-Z][\w'-]+")
EARLY = r"(?:\w+ ){{0,2}}{}"  # a pronoun after at most two words: “In spring he”
# Nouns of whoever does something, by their ends, and ships; and what ends so and is nobody.
DOER = re.compile(
    r"\b(?:[a-z]*(?:er|or|ar|ess|man|ist|ian|ship|boat)s?|nun|monk|thief|guard|knight|witch|vessel"
    r"|sloop|brig|barge|galley|moon|sea|city)\b"
)
NO_DOERS = frozenset(
    """for or nor her never ever over under after water winter winters summer summers river rivers
    silver tower towers corner paper papers letter letters door doors floor supper dinner
    order finger fingers shoulder shoulders number weather leather timber amber ember embers
    thunder laughter harbor mirror mirrors horror armor year years altar star stars bar jar
    war scar scars collar pillar cellar less unless""".split()  # noqa: SIM905 - as above
)


def judged(passage: Passage, context: Mapping[str, Any]) -> Findings:
    yield from _dead(passage, context)
    yield from _home(passage, first(context, HOME_KEYS), first(context, NAME_KEYS))
    yield from _name(passage, first(context, NAME_KEYS))
    yield from _colours(passage, context, first(context, NAME_KEYS))
    yield from _age(passage, first(context, AGE_KEYS), first(context, NAME_KEYS))
    yield from _gender(passage, first(context, GENDER_KEYS), first(context, NAME_KEYS))


def told(context: Mapping[str, Any]) -> Iterator[str]:
    """The facts of a context as sentences: `{"mother": "dead"}` is “mother: dead”."""
    for key, value in list(context.items())[:MAX_FACTS]:
        spoken = key.replace("_", " ")
        for item in _strings(value):
            yield f"{spoken} {item}" if re.search(rf"\b(?:{KIN})\b", spoken) else item


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value[:MAX_FACT]
    elif isinstance(value, bool):
        return
    elif isinstance(value, Mapping):
        yield from (f"{k} {v}"[:MAX_FACT] for k, v in list(value.items())[:MAX_FACTS]
                    if isinstance(v, str))  # fmt: skip
    elif isinstance(value, Sequence):
        yield from (str(v)[:MAX_FACT] for v in value[:MAX_FACTS] if isinstance(v, str))


def _dead(passage: Passage, context: Mapping[str, Any]) -> Findings:
    """Somebody who is dead and acts: by the context a fault, by the text itself a doubt."""
    known = {who for fact in told(context) for who in _gone(fact)}
    if any(ORPHAN.search(fact) for fact in told(context)):
        known |= {"mother", "father", "parents"}
    own: dict[str, int] = {}
    for at, sentence in enumerate(passage.narrated[:MAX_TOLD]):
        for who in _gone(sentence[:MAX_SENTENCE]):
            own.setdefault(who, at)
    for who in sorted(known | own.keys()):
        place = _acting(passage, who, 0 if who in known else own[who] + 1)
        if place is None:
            continue
        present = _is_present(place)
        write = error if who in known or present else warning
        yield write(
            f"{who.capitalize()} is dead, and acts here.", quoted(place),
            "Let somebody else do it, or say that it was before.",
        )  # fmt: skip


def _gone(fact: str) -> Iterator[str]:
    """Whom a sentence tells to be dead: `mother`, `King Aldous`."""
    if not DEAD.search(fact):
        return
    for pattern in (GONE_KIN, GONE_NAME):
        for m in pattern.finditer(fact):
            denied = re.search(r"\b(?:not|never|nobody|almost|nearly)\b", m[0])
            if not denied and m[1].split()[0] not in NO_NAMES:
                yield m[1].lower() if pattern is GONE_KIN else m[1]


# Capitals at the beginning of a sentence that are nobody's name.
NO_NAMES = frozenset(
    """The Nobody No He She They It Many Some All When After Half Most Everyone Those Two Three If
    Since We I His Her My Their Who A An Here""".split()  # noqa: SIM905 - as above
)


def _acting(passage: Passage, who: str, start: int) -> str | None:
    """The first sentence from the `start`-th on in which somebody does what only the living do."""
    own = "my|his|her|the|their|our|your"
    subject = rf"(?:(?:{own}) )?{re.escape(who)}" if who.islower() else re.escape(who)
    acts = re.compile(rf"\b{subject} (?:(?:still|now|often|always|also|\w+ly) )?([a-z]+)", re.I)
    sends = re.compile(FROM.format(own=f"(?:{own})", who=re.escape(who)), re.I)
    for sentence in passage.narrated[start:]:
        short = sentence[:MAX_SENTENCE]
        if who.lower() not in short.lower():
            continue
        if f"{who}'s".lower() in short.lower().replace("’", "'"):
            continue  # what was theirs may do what it likes
        does = any(set(bases(m[1].lower())) & LIVING for m in acts.finditer(short))
        if (does or sends.search(short)) and not EARLIER.search(short):
            return short
    return None


def _is_present(sentence: str) -> bool:
    return re.search(r"\b(?:writes|says|waits|sends|lives|is|are|calls|comes|works|keeps|tends)\b",
                     sentence) is not None  # fmt: skip


def _home(passage: Passage, given: Any, name: Any) -> Findings:
    if not isinstance(given, str) or not given.strip() or passage.first(given.strip().lower()):
        return
    names = name_parts(name) if isinstance(name, str) else []
    own = re.compile(OWN.format(who="|".join(["i", "she", "he", "they", *map(re.escape, names)])))
    before = ""
    for sentence in passage.narrated:
        place = BORN.search(sentence[:MAX_SENTENCE])
        told, before = before, sentence[:MAX_SENTENCE]
        start = sentence[: place.start()].lower().strip() if place else ""
        if not place or (start and not own.search(start)) or meant_by(f"{told} {start}"):
            continue
        if place[1].lower() not in given.lower():
            yield error(
                f"The context says {given[:60]}; the text says {place[1]}.",
                quoted(place[0]), f"Write {given[:60]}, or change the context.",
            )  # fmt: skip
            return


def _colours(passage: Passage, context: Mapping[str, Any], name: Any) -> Findings:
    """Hair and eyes of the subject in another colour than the context's."""
    names = name_parts(name) if isinstance(name, str) else []
    for thing, keys in COLOURED.items():
        given = str(first(context, keys) or "").lower()
        known = [c for c in COLOURS if re.search(rf"\b{c}\b", given)]
        told = re.compile(
            rf"\b(my|her|his) (?:\w+ ){{0,2}}?({'|'.join(COLOURS)}) (?:\w+ )?{thing}\b"
        )
        for sentence in passage.narrated[:MAX_TOLD] if known else ():
            short = sentence[:MAX_SENTENCE].lower()
            place = told.search(short)
            its = place and (place[1] == "my" or any(part in short for part in names))
            if place and its and place[2] not in known and not ANOTHER.search(short):
                yield error(
                    f"The context says {given[:60]} {thing}; the text says {place[2]}.",
                    quoted(sentence), f"Make it {known[0]}, or change the context.",
                )  # fmt: skip
                return


def _name(passage: Passage, given: Any) -> Findings:
    if not isinstance(given, str) or not given.strip():
        return
    for place in CALLED.finditer(passage.text):
        if place[1].lower() not in given.lower() and not passage.first(given.lower()):
            yield error(
                f"The context's name is {given[:60]}; the text says {place[1]}.",
                quoted(place[0]), f"Write {given[:60]}, or change the context.",
            )  # fmt: skip
            return


def _age(passage: Passage, given: Any, name: Any) -> Findings:
    """What the narration says of the subject's age now; of a past one it may say what it will."""
    if isinstance(given, bool) or not str(given).isdigit():
        return
    names = name_parts(name) if isinstance(name, str) else []
    aged = re.compile(AGED.format(who="|".join(["she", "he", *map(re.escape, names)])))
    before = ""
    for sentence in passage.narrated[:MAX_TOLD]:
        short = sentence[:MAX_SENTENCE].lower().replace("’", "'")
        place = aged.search(short)
        told, before = before, short
        if place is None or THEN.search(short) or int(place[5]) == int(str(given)):
            continue
        if place[3] in names or not meant_by(f"{told} {short[: place.start()]}"):
            yield error(
                f"The context's age is {given}; the text says {place[5]}.",
                quoted(sentence), f"Write {given}, or change the context.",
            )  # fmt: skip
            return


def _gender(passage: Passage, given: Any, name: Any) -> Findings:
    """The other pronoun right at the start, where the subject is named and nobody else can be
    meant: later on, `his` beside a woman's name may be another man's.
    """
    words = set(WORD.findall(given.lower()[:60])) if isinstance(given, str) else set()
    known = [pronoun for pronoun, said in GENDERS.items() if words & said]
    names = name_parts(name) if isinstance(name, str) else []
    told = [s[:MAX_SENTENCE].replace("’", "'") for s in passage.narrated[:2]]
    if len(known) != 1 or not names or not told:
        return
    (other,) = GENDERS.keys() - known
    who = re.search(rf"\A(?:[A-Z]\w+ )?(?:{'|'.join(map(re.escape, names))})\b", told[0], re.I)
    place = re.search(PRONOUNS[other], told[0], re.I)
    if who and place and not ARTICLE.search(told[0][: place.start()]):
        shown = told[0]
    elif (
        who
        and not place
        and told[1:]
        and (place := re.match(EARLY.format(PRONOUNS[other]), told[1], re.I))
    ):
        shown = told[1]
    else:
        return
    before = told[0][who.end() : place.start() if shown is told[0] else None]
    if not (_somebody(before, names) or re.search(PRONOUNS[known[0]], before, re.I)):
        yield error(
            f"The context's pronoun is {known[0]}; the text says {place[0].split()[-1].lower()}.",
            quoted(shown), f"Write {known[0]}, or change the context.",
        )  # fmt: skip


def _somebody(text: str, names: Sequence[str]) -> bool:
    """Whether words may name a person who is none of these."""
    inner = (n.lower() for n in INNER_NAME.findall(text))
    doers = (w for w in DOER.findall(text.lower()) if w not in NO_DOERS)
    return bool(ANOTHER.search(text) or set(inner) - set(names) or any(doers))
