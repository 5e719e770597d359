"""PromQL: which series an expression asks for, and by which of their labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser as promql

# What Grafana puts in before it asks; of what a length is does not matter here.
VARIABLES = {"$__rate_interval": "1m", "$__interval": "15s", "$__range": "1h"}


@dataclass(frozen=True, slots=True)
class Asked:
    """Series by their name. values: each label that is compared, with the values that are meant;
    none for one that is compared in another way. grouped: labels by which it is summed or joined.
    """

    name: str
    values: dict[str, list[str]]
    grouped: frozenset[str] = frozenset()


def asked(expression: str) -> list[Asked]:
    """Raises `ValueError` where Prometheus would find no sense in it."""
    for variable, length in VARIABLES.items():
        expression = expression.replace(variable, length)
    return list(_walk(promql.parse(expression), frozenset()))


def _walk(found: Any, grouped: frozenset[str]) -> Iterator[Asked]:
    match found:
        case promql.VectorSelector():
            yield Asked(str(found.name), _values(found.matchers.matchers), grouped)
        case promql.MatrixSelector():
            yield from _walk(found.vector_selector, grouped)
        case promql.AggregateExpr():
            labels = found.modifier.labels if found.modifier else []
            yield from _walk(found.expr, grouped | set(labels))
        case promql.BinaryExpr():
            joined = found.modifier and found.modifier.matching
            more = grouped | set(joined.labels if joined else [])
            yield from _walk(found.lhs, more)
            yield from _walk(found.rhs, more)
        case promql.Call():
            for argument in found.args:
                yield from _walk(argument, grouped)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from _walk(found.expr, grouped)
        case promql.NumberLiteral() | promql.StringLiteral():
            pass
        case _:
            raise TypeError(f"nobody said what to do with {found!r}")


def _values(matchers: list[promql.Matcher]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for matcher in matchers:
        plain = matcher.op in (promql.MatchOp.Equal, promql.MatchOp.NotEqual)
        words = [matcher.value] if plain else matcher.value.split("|")
        found.setdefault(matcher.name, []).extend(w for w in words if re.fullmatch(r"\w+", w))
    return found
