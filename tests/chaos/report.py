"""Report: figures and verdicts as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.chaos.checks import SHOWN, Verdict


def figures(found: Mapping[str, object]) -> None:
    width = max(map(len, found), default=0)
    for name, value in found.items():
        print(f"  {name:<{width}}  {value}")


def verdicts(found: Sequence[Verdict]) -> bool:
    """Print them; whether all promises held."""
    width = max(len(v.promise) for v in found)
    print(f"\n  {'promise':<{width}}  {'looked at':>9}  {'broken':>6}")
    for verdict in found:
        print(f"  {verdict.promise:<{width}}  {verdict.looked_at:>9}  {len(verdict.broken):>6}")
    for verdict in found:
        for said in verdict.broken[:SHOWN]:
            print(f"  BROKEN  {verdict.promise}: {said}")
    return not any(v.broken for v in found)
