"""Comparison: what should be equal, taken from every side that knows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.agreement.clients import ADMIN, Counts
from tests.agreement.provider import CountingProvider
from tests.support.prometheus import samples_of
from tests.support.service import token

GENAI = "gen_ai_client_inference_usage"
NANO = 10**9


@dataclass(frozen=True, slots=True)
class Row:
    """One number, as each side tells it."""

    what: str
    told: Mapping[str, Any]

    @property
    def agrees(self) -> bool:
        return len({str(value) for value in self.told.values()}) == 1

    def __str__(self) -> str:
        sides = ", ".join(f"{side} {value}" for side, value in self.told.items())
        return f"{'equal ' if self.agrees else 'DIFFER'}  {self.what}: {sides}"


@dataclass(slots=True)
class Comparison:
    rows: list[Row] = field(default_factory=list)

    def add(self, what: str, **told: Any) -> None:
        self.rows.append(Row(what, told))

    @property
    def agrees(self) -> bool:
        return all(row.agrees for row in self.rows)

    def table(self) -> str:
        return "\n".join(map(str, self.rows))


@dataclass(frozen=True, slots=True)
class Samples:
    """The sum of what all gateways tell to Prometheus, by name and labels."""

    values: Mapping[str, float]

    def sum(self, name: str, **labels: str) -> float:
        wanted = {f"{key}={value}" for key, value in labels.items()}
        return sum(
            value
            for sample, value in self.values.items()
            if sample.partition("{")[0] == name
            and wanted <= set(sample.partition("{")[2].rstrip("}").split(","))
        )

    def count(self, name: str, **labels: str) -> int:
        return round(self.sum(name, **labels))


async def scraped(http: httpx2.AsyncClient, urls: Iterable[str]) -> Samples:
    found: Counter[str] = Counter()
    for url in urls:
        found.update(samples_of((await http.get(f"{url}/metrics")).content))
    return Samples(found)


async def used(http: httpx2.AsyncClient, url: str) -> dict[str, dict[str, Any]]:
    """Everybody's usage of today, by model."""
    headers = {"Authorization": "Bearer " + token("admin", permissions=ADMIN)}
    answer = await http.get(f"{url}/api/v2/usage", params={"by": "model"}, headers=headers)
    return {row["model"]: row for row in answer.json()["rows"]}


async def compare(
    http: httpx2.AsyncClient, urls: Sequence[str], counts: Counts, provider: CountingProvider
) -> Comparison:
    found, metrics = Comparison(), await scraped(http, urls)
    usage = await used(http, urls[0])
    _operations(found, metrics, counts)
    _spending(found, metrics, usage, provider)
    _events(found, metrics, usage, counts)
    return found


def _operations(found: Comparison, metrics: Samples, counts: Counts) -> None:
    """Whoever left did not see the outcome: of them the total has to agree. A document that a limit
    refused a moment ago is refused unread: nobody knows of which operation."""
    name, sides = "loregate_operations_total", Counter(counts.outcomes)
    left = {key[:2] for key in sides if key[2] == "left"}
    unread = 0
    for (edge, operation, outcome), seen in sorted(sides.items()):
        told = metrics.count(name, edge=edge, operation=operation, outcome=outcome)
        if outcome == "refused" and edge != "rest":
            unread += seen - told
            found.add(
                f"{edge} {operation} refused and counted twice", found=max(0, told - seen), wanted=0
            )
        elif (edge, operation) not in left:
            found.add(f"{edge} {operation} {outcome}", clients=seen, metrics=told)
    for edge, operation in left:
        seen = sum(n for key, n in sides.items() if key[:2] == (edge, operation))
        told = metrics.count(name, edge=edge, operation=operation)
        found.add(f"{edge} {operation}, all outcomes", clients=seen, metrics=told)
    read = sides.total() - unread
    found.add(f"operations, but for {unread} unread", clients=read, metrics=metrics.count(name))
    refused = metrics.count("loregate_limit_refusals_total")
    found.add("refusals by limits", clients=counts.limited, metrics=refused)


def _spending(
    found: Comparison, metrics: Samples, usage: Mapping[str, Any], provider: CountingProvider
) -> None:
    for model, row in usage.items():
        tokens = {
            kind: metrics.count(f"{GENAI}_{kind}_tokens_total", model=model)
            for kind in ("input", "output")
        }
        for kind, side in (("input", "prompt"), ("output", "completion")):
            found.add(f"{model} {kind} tokens", metrics=tokens[kind], usage=row[f"{side}_tokens"])
        cost = metrics.sum("loregate_model_cost_usd_total", model=model)
        usd = round(float(row["known_cost_usd"]) * NANO)
        found.add(f"{model} nano-dollars", metrics=round(cost * NANO), usage=usd)
    given = provider.given
    for upstream, names in provider.names.items():
        rows = [usage[name] for name in names if name in usage]
        reported = sum(
            r["prompt_tokens"] + r["completion_tokens"] - r["estimated_tokens"] for r in rows
        )
        found.add(f"{upstream} tokens that it told", provider=given[upstream], usage=reported)


def _events(found: Comparison, metrics: Samples, usage: Mapping[str, Any], counts: Counts) -> None:
    answers = sum(row["answers"] for row in usage.values())
    published = {name: len(set(ids)) for name, ids in counts.heard.items()}
    found.add("events, each once", **published)
    found.add("contents", events=len(counts.published), usage=answers)
    untold = len(counts.contents - counts.published)
    found.add("contents that clients got and no event told", found=untold, wanted=0)
    edges = {"WebSocket": "websocket", "SSE": "rest"}
    for name, edge in edges.items():
        told = metrics.count("loregate_event_deliveries_total", edge=edge)
        found.add(f"deliveries by {name}", clients=len(counts.heard[name]), metrics=told)
