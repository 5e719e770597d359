"""Validation: a text held against rules that look at it, and say so where they cannot."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from app.operations.validation import (
    Rule,
    RuleCategory,
    ValidationDraft,
    ValidationRequest,
    WrittenResult,
)
from app.storyteller import bounds, consistency, issues, lawbook, quality
from app.storyteller.english import counted
from app.storyteller.issues import Findings
from app.storyteller.packs import Packs
from app.storyteller.passage import Passage
from app.storyteller.theme import Analyst
from app.storyteller.wordlists import theme_texts

FITS, BARELY = 0.6, 0.42  # likeness to a theme: at home in it; against it below the second
KEYWORD = re.compile(r"[A-Za-z][A-Za-z'’-]{3,30}")
MAX_KEYWORDS = 8


def compose(packs: Packs, request: ValidationRequest) -> ValidationDraft:
    """The verdict on each rule, the same each time."""
    return Judge(packs, request).draft()


class Judge:
    """Holds one text against its rules; each check of the text is made once."""

    def __init__(self, packs: Packs, request: ValidationRequest) -> None:
        self._packs, self._request = packs, request
        self._passage = Passage(request.content)
        self._analyst = Analyst(packs.lists)
        self._known: dict[RuleCategory, list[Any]] = {}

    def draft(self) -> ValidationDraft:
        results = [self._result(n, rule) for n, rule in enumerate(self._request.rules, 1)]
        return ValidationDraft(results=results, summary=_summary(results))

    def _result(self, number: int, rule: Rule) -> WrittenResult:
        found = issues.gathered(self._findings(rule))
        return WrittenResult(
            number=number,
            passed=issues.passed(found),
            score=issues.score(found),
            issues=found,
        )

    def _findings(self, rule: Rule) -> Findings:
        yield from bounds.judged(self._passage, rule.parameters)
        if felt := {k: rule.parameters[k] for k in bounds.FELT if k in rule.parameters}:
            yield from self._felt([v for v in felt.values() if isinstance(v, str)])
        if rule.category is RuleCategory.CUSTOM:
            yield from self._custom(rule)
        else:
            yield from self._shared(rule.category)
            yield from _unread(rule)

    def _shared(self, category: RuleCategory) -> list[Any]:
        """What the text alone gives: the same for every rule of a category."""
        if category not in self._known:
            self._known[category] = issues.gathered(self._judged(category))
        return self._known[category]

    def _judged(self, category: RuleCategory) -> Findings:
        book, context = self._packs.lawbook, self._request.context
        if category is RuleCategory.QUALITY:
            return quality.judged(self._passage, self._packs.wording)
        if category is RuleCategory.CONSISTENCY:
            return consistency.judged(self._passage, context, book)
        if category is RuleCategory.RULES:
            return lawbook.judged(self._passage, context, book)
        return self._theme()

    def _theme(self) -> Findings:
        texts = theme_texts(self._request.theme)
        if not texts:
            yield issues.info(
                "The request names no theme to hold the text against.", None,
                "Give `theme` a genre or a tone.",
            )  # fmt: skip
            return
        yield from self._felt(texts)

    def _felt(self, texts: list[str]) -> Findings:
        """The text against the categories that a theme's words ask for."""
        lists = self._packs.lists
        wanted = lists.wanted(texts)
        profile = lists.measured(self._passage.count)
        if not any(wanted.values()):
            yield issues.info("No word of the theme is known to the word lists; it was not judged.")
            return
        target = max(wanted, key=lambda c: wanted[c])
        aims = lists.tables["category"][target]["aim"]
        if not any(profile.values()):
            yield issues.warning(
                f"No word of the text speaks for a {target} theme.", None, f"Add {aims[0]}."
            )
            return
        fit = self._analyst.fit(profile, wanted)
        yield from self._against(wanted, target, fit < BARELY)
        if BARELY <= fit < FITS:
            yield issues.warning(
                f"The text only leans towards a {target} theme.", None,
                f"Add {aims[0]}.", f"Add {aims[1]}.",
            )  # fmt: skip

    def _against(self, wanted: dict[str, float], target: str, broken: bool) -> Findings:
        write = issues.error if broken else issues.warning
        conflicts = self._analyst.conflicting(wanted, self._passage)
        for category, words in conflicts.items():
            place = self._passage.first(words[0])
            yield write(
                f"“{words[0]}” and its like read as {category}, against a {target} theme.",
                self._passage.around(*place.span()) if place else None,
                f"Reword it towards {self._packs.lists.tables['category'][target]['aim'][0]}.",
            )
        if broken and not conflicts:
            yield issues.error(f"The text does not read as {target}.")

    def _custom(self, rule: Rule) -> Findings:
        """What a rule names is looked for; what it means is not judged, and that is said."""
        asked = _keywords(f"{rule.name} {rule.description or ''}", self._packs.wording["small"])
        missing = [w for w in asked if not bounds.found(self._passage, w)]
        measured = any(k in bounds.KNOWN for k in rule.parameters)
        if asked and len(missing) < len(asked):
            here = ", ".join(w for w in asked if w not in missing)
            yield issues.info(f"Of the rule's words these stand in the text: {here}.")
        elif asked and not measured:
            yield issues.info(f"None of the rule's words stands in the text: {', '.join(asked)}.")
        yield issues.info(
            "What this rule means was not judged: only its words and measurable parameters were "
            "looked for.", None,
            "Give it `must_include`, `must_not_include`, `min_words` or `max_words`.",
        )  # fmt: skip
        yield from _unread(rule)


def _keywords(text: str, small: Collection[str]) -> list[str]:
    words = dict.fromkeys(w.lower() for w in KEYWORD.findall(text[:2000]))
    return [w for w in words if w not in small][:MAX_KEYWORDS]


def _unread(rule: Rule) -> Findings:
    unknown = [k for k in rule.parameters if k not in bounds.KNOWN]
    if unknown:
        names = ", ".join(f"`{k[:40]}`" for k in unknown[:5])
        yield issues.info(f"These parameters were not judged: {names}.")


def _summary(results: list[WrittenResult]) -> str:
    kept = sum(result.passed for result in results)
    total = len(results)
    if kept == total:
        return f"The text keeps {'the rule' if total == 1 else f'all {counted(total)} rules'}."
    first = next(r for r in results if not r.passed)
    share = f"{counted(kept)} of {counted(total)} rules" if kept else "none of the rules"
    return f"The text keeps {share}. Foremost: {first.issues[0].message}"
