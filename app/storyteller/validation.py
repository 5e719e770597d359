"""Validation: a text held against rules that look at it, and say so where they cannot."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from app.operations.validation import (
    Rule,
    RuleCategory,
    Severity,
    ValidationDraft,
    ValidationRequest,
    WrittenIssue,
    WrittenResult,
)
from app.storyteller import (
    bounds,
    consistency,
    demands,
    grammatical,
    issues,
    lawbook,
    quality,
    training,
    wording,
)
from app.storyteller.demands import Demands, demanded
from app.storyteller.english import counted
from app.storyteller.issues import Findings
from app.storyteller.packs import Packs
from app.storyteller.passage import SPEECH, Passage, quoted
from app.storyteller.reading import Analyst, Reading
from app.storyteller.subject import (
    CLASS_KEYS,
    LEVEL_KEYS,
    NAME_KEYS,
    RACE_KEYS,
    Subject,
    named,
    subject_of,
)
from app.storyteller.wordlists import theme_texts

FITS, BARELY = 0.5, 0.36  # fit to a theme: at home in it; against it below the second
SURE = 0.4  # likelihood of the leading category from which a text is failed by it; below, doubted
KEYWORD = re.compile(r"[A-Za-z][A-Za-z'’-]{3,30}")
MAX_KEYWORDS = 8
SINGLE = re.compile(r"(?<!\w)['‘][A-Z][^'’\n]{0,300}[,.!?—]['’]")  # speech as some houses print it
SUBJECT_KEYS = frozenset({*NAME_KEYS, *CLASS_KEYS, *RACE_KEYS, *LEVEL_KEYS})


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found, and whether anything was held against the text at all."""

    judged: bool
    issues: list[WrittenIssue]

    def plus(self, other: Checked) -> Checked:
        return Checked(self.judged or other.judged, [*self.issues, *other.issues])


def compose(packs: Packs, request: ValidationRequest) -> ValidationDraft:
    """The verdict on each rule, the same each time."""
    return Judge(packs, request).draft()


class Judge:
    """Holds one text against its rules; each check of the text is made once."""

    def __init__(self, packs: Packs, request: ValidationRequest) -> None:
        self._packs, self._request = packs, request
        self._passage = Passage(request.content)
        self._analyst = Analyst(packs.lists)
        self._known: dict[RuleCategory, Checked] = {}

    @cached_property
    def _reading(self) -> Reading:
        return self._analyst.read(self._passage)

    def _context(self, rule: Rule) -> dict[str, Any]:
        """What is known beside the text, and what the rule's parameters say of the subject."""
        told = {k: v for k, v in rule.parameters.items() if k in SUBJECT_KEYS}
        return {**self._request.context, **told}

    def _subject(self, rule: Rule) -> Subject:
        book = self._packs.lawbook
        races = {race.replace("-", "_"): race for race in book["races"]}
        return subject_of(self._context(rule), book["features"], races)

    def draft(self) -> ValidationDraft:
        results = [self._result(n, rule) for n, rule in enumerate(self._request.rules, 1)]
        return ValidationDraft(results=results, summary=_summary(results))

    def _result(self, number: int, rule: Rule) -> WrittenResult:
        checked = self._checked(rule)
        found = issues.gathered(checked.issues)
        return WrittenResult(
            number=number,
            judged=checked.judged,
            passed=issues.passed(found) if checked.judged else None,
            score=issues.score(found) if checked.judged else None,
            issues=found,
        )

    def _checked(self, rule: Rule) -> Checked:
        """What the rule's own words and parameters ask for, and what its category does."""
        asked = demanded(rule)
        found = self._demanded(rule, asked)
        if rule.category is not RuleCategory.CUSTOM:
            found = found.plus(self._shared(rule.category, rule))
        elif asked.level:
            found = found.plus(self._shared(RuleCategory.RULES, rule))
        elif not found.judged:
            found = found.plus(self._unjudged(rule))
        return found.plus(Checked(False, list(_unread(rule))))

    def _demanded(self, rule: Rule, asked: Demands) -> Checked:
        parameters = asked.parameters | rule.parameters
        found = list(bounds.judged(self._passage, parameters))
        judged = any(k in bounds.MEASURED for k in parameters)
        felt = [rule.parameters[k] for k in bounds.FELT if k in rule.parameters]
        if texts := [v for v in felt if isinstance(v, str)]:
            theme = self._felt(texts)
            found, judged = [*found, *theme.issues], judged or theme.judged
        name = asked.name or self._subject(rule).name
        looked = [*self._looked_through(asked), *self._hero(asked, name)]
        hero = name is not None and (asked.hero or asked.nameless or asked.name is not None)
        return Checked(judged or asked.looks or hero, [*found, *looked])

    def _looked_through(self, asked: Demands) -> Findings:
        passage = self._passage
        if asked.profanity:
            yield from wording.profane(passage)
        if asked.age:
            yield from wording.out_of_time(passage, strict=True)
        yield from grammatical.judged(passage, asked.person, asked.tense)
        if asked.talk and not (SPEECH.search(passage.text) or SINGLE.search(passage.text)):
            yield issues.error("Nobody speaks in the text.", None, "Let somebody say a line aloud.")
        yield from _framed(passage, asked)

    def _hero(self, asked: Demands, name: str | None) -> Findings:
        if name is None and asked.hero:
            yield issues.info("The context has no `name` to look for.", None, "Give it a `name`.")
        elif name and asked.nameless and named(self._passage, name):
            yield issues.error(f"{name} is named in the text.", None, "Leave the name out.")
        elif name and (asked.hero or asked.name) and not named(self._passage, name):
            yield issues.error(f"{name} is not named in the text.", None, f"Name {name}.")

    def _shared(self, category: RuleCategory, rule: Rule) -> Checked:
        """What the text alone gives: the same for every rule of a category."""
        if category is RuleCategory.THEME:
            return self._theme(rule)
        if SUBJECT_KEYS & rule.parameters.keys():
            return self._judged(category, rule)
        if category not in self._known:
            self._known[category] = self._judged(category, rule)
        return self._known[category]

    def _judged(self, category: RuleCategory, rule: Rule) -> Checked:
        book, context = self._packs.lawbook, self._context(rule)
        if category is RuleCategory.QUALITY:
            return Checked(True, list(quality.judged(self._passage, self._packs.wording)))
        if category is RuleCategory.CONSISTENCY:
            found = list(consistency.judged(self._passage, context, book))
            if not wording.modern(self._request.theme, context):
                found += wording.out_of_time(self._passage, strict=False)
            return Checked(True, found)
        found = [*lawbook.judged(self._passage, context, book)]
        subject = self._subject(rule)
        found += training.judged(self._passage, subject)
        spoken = any(i.severity is not Severity.INFO for i in found)
        touched = training.touched(self._passage, subject)
        if touched:
            found = [i for i in found if i.severity is not Severity.INFO]
        return Checked(touched or spoken or not found, found)

    def _theme(self, rule: Rule) -> Checked:
        texts = theme_texts(self._request.theme) or self._said_of_tone(rule)
        if texts:
            return self._felt(texts)
        told = issues.info(
            "The request names no theme to hold the text against.", None,
            "Give `theme` a genre or a tone.",
        )  # fmt: skip
        return Checked(False, [told])

    def _said_of_tone(self, rule: Rule) -> list[str]:
        """The rule's own words, where one of them asks for a category: “keeps a grim tone”."""
        said = f"{rule.name} {rule.description or ''}"
        return [said] if any(self._packs.lists.wanted([said]).values()) else []

    def _felt(self, texts: list[str]) -> Checked:
        """The text against the categories that a theme's words ask for."""
        wanted = self._packs.lists.wanted(texts)
        if not any(wanted.values()):
            told = issues.info("No word of the theme is known here; it was not judged.")
            return Checked(False, [told])
        if self._reading.obstacle:
            told = issues.info(f"The theme was not judged: {self._reading.obstacle}.")
            return Checked(False, [told])
        found = list(self._fits(wanted))
        if not wording.modern(self._request.theme, self._request.context):
            found += wording.out_of_time(self._passage, strict=False)
        return Checked(True, found)

    def _fits(self, wanted: dict[str, float]) -> Findings:
        target = max(wanted, key=lambda c: wanted[c])
        aims = self._packs.lists.tables["category"][target]["aim"]
        fit = self._analyst.fit(self._reading, wanted)
        broken = fit < BARELY and max(self._reading.shares.values()) >= SURE
        yield from self._against(wanted, target, broken)
        if fit < FITS and not broken:
            yield issues.warning(
                f"The text only leans towards a {target} theme.", None,
                f"Add {aims[0]}.", f"Add {aims[1]}.",
            )  # fmt: skip

    def _against(self, wanted: dict[str, float], target: str, broken: bool) -> Findings:
        write = issues.error if broken else issues.warning
        conflicts = self._analyst.conflicting(wanted, self._reading)
        for category, words in conflicts.items():
            place = self._passage.first(words[0].lower())
            yield write(
                f"“{words[0]}” and its like read as {category}, against a {target} theme.",
                self._passage.around(*place.span()) if place else None,
                f"Reword it towards {self._packs.lists.tables['category'][target]['aim'][0]}.",
            )
        if broken and not conflicts:
            yield issues.error(f"The text does not read as {target}.")

    def _unjudged(self, rule: Rule) -> Checked:
        """What a rule names is looked for; what it means is not judged, and that is said."""
        asked = _keywords(f"{rule.name} {rule.description or ''}", self._packs.wording["small"])
        here = [w for w in asked if bounds.found(self._passage, w)]
        found = []
        if here:
            told = f"Of the rule's words these stand in the text: {', '.join(here)}."
            found.append(issues.info(told))
        elif asked:
            told = f"None of the rule's words stands in the text: {', '.join(asked)}."
            found.append(issues.info(told))
        told = "What this rule means was not judged: only its words were looked for."
        advice = "Give it `must_include`, `must_not_include`, `min_words` or `max_words`."
        return Checked(False, [*found, issues.info(told, None, advice)])


def _framed(passage: Passage, asked: Demands) -> Findings:
    """How a text has to begin and to end."""
    text = passage.text.strip()
    begins = text.lstrip("“\"'‘").lower()
    if asked.opening and not begins.startswith(asked.opening.strip(" .,").lower()):
        told = f"The text does not begin with “{asked.opening}”."
        yield issues.error(told, quoted(text[:60]), f"Begin with “{asked.opening}”.")
    if asked.question and not text.rstrip("”\"'’)").endswith("?"):
        yield issues.error("The text does not end with a question.", None, "End by asking one.")


def _keywords(text: str, small: Collection[str]) -> list[str]:
    words = dict.fromkeys(w.lower() for w in KEYWORD.findall(text[:2000]))
    return [w for w in words if w not in small][:MAX_KEYWORDS]


def _unread(rule: Rule) -> Findings:
    unknown = [k for k in rule.parameters if k not in demands.KNOWN]
    if unknown:
        names = ", ".join(f"`{k[:40]}`" for k in unknown[:5])
        yield issues.info(f"These parameters were not judged: {names}.")


def _summary(results: list[WrittenResult]) -> str:
    judged = [r for r in results if r.judged]
    left = len(results) - len(judged)
    if not judged:
        return f"{'The rule was' if left == 1 else 'None of the rules was'} judged."
    kept, total = sum(bool(r.passed) for r in judged), len(judged)
    note = (
        f" {counted(left).capitalize()} {'was' if left == 1 else 'were'} not judged."
        if left
        else ""
    )
    if kept == total:
        which = "the rule" if total == 1 else f"all {counted(total)} rules"
        return f"The text keeps {which}{' that was judged' if left and total == 1 else ''}.{note}"
    first = next(r for r in judged if not r.passed)
    share = f"{counted(kept)} of {counted(total)} rules" if kept else "none of the rules"
    return f"The text keeps {share}. Foremost: {first.issues[0].message}{note}"
