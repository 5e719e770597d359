"""Issues: how a judge writes down what it found, and when it has found enough."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from app.operations.validation import Severity, WrittenIssue

MAX_ISSUES = 12  # of one rule; more would not be read
PENALTY = {Severity.ERROR: 0.4, Severity.WARNING: 0.12, Severity.INFO: 0.0}


def error(message: str, location: str | None = None, *suggestions: str) -> WrittenIssue:
    return _issue(Severity.ERROR, message, location, suggestions)


def warning(message: str, location: str | None = None, *suggestions: str) -> WrittenIssue:
    return _issue(Severity.WARNING, message, location, suggestions)


def info(message: str, location: str | None = None, *suggestions: str) -> WrittenIssue:
    return _issue(Severity.INFO, message, location, suggestions)


def gathered(found: Iterable[WrittenIssue]) -> list[WrittenIssue]:
    """The first `MAX_ISSUES`, each said once, the worst first."""
    kept: dict[tuple[str, str | None], WrittenIssue] = {}
    for issue in found:
        kept.setdefault((issue.message, issue.location), issue)
        if len(kept) >= MAX_ISSUES:
            break
    return sorted(kept.values(), key=lambda i: -PENALTY[i.severity])


def passed(issues: Iterable[WrittenIssue]) -> bool:
    """Whether a rule is kept: warnings are advice, an error breaks it."""
    return all(issue.severity is not Severity.ERROR for issue in issues)


def score(issues: Iterable[WrittenIssue]) -> float:
    """1 for a text without fault, less for each issue; at most 0.5 where an error stands."""
    found = list(issues)
    left = max(0.0, 1 - sum(PENALTY[issue.severity] for issue in found))
    return round(left if passed(found) else min(left, 0.5), 2)


def _issue(
    severity: Severity, message: str, location: str | None, suggestions: Iterable[str]
) -> WrittenIssue:
    return WrittenIssue(
        severity=severity, message=message, location=location, suggestions=list(suggestions)
    )


Findings = Iterator[WrittenIssue]
