"""What the alerts, the dashboard and the page on metrics ask for is what the gateway tells."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.llm.breaker import BreakerState
from app.observe.metric_names import ALL, GENAI_LABELS, Configured, Kind
from app.operations.metadata import AttemptOutcome
from tests.support.promql import Asked, asked

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
ADDED = {"instance", "job"}  # by Prometheus, to everything it scrapes
PARTS = {"_bucket": {"le"}, "_sum": set[str](), "_count": set[str]()}  # of a histogram
# Values of sets that are known only when a gateway runs, as far as the files may name them.
OUTCOMES = [o.value for o in AttemptOutcome]
NAMED = {Configured.ATTEMPTS: OUTCOMES, Configured.SCOPES: ["global", "user"]}
PAGE = DEPLOY.parent / "docs" / "reference" / "metrics.md"
ROW = re.compile(r"^\| ([^|`]+) \| `(.+)` \|$", re.M)
VALUES = re.compile(r"label_values\((.+), (\w+)\)")  # how a variable asks for its choices

Labels = dict[str, Collection[str] | None]  # None: any value


@cache
def told() -> dict[str, Labels]:
    """Each series that there is, with its labels and their values."""
    own: Labels = {"alertname": None, "alertstate": ["firing", "pending"], "severity": None}
    found: dict[str, Labels] = {"up": {}, "ALERTS": own}
    for metric in ALL:
        labels: Labels = dict.fromkeys(GENAI_LABELS[metric.genai] if metric.genai else ())
        for name, values in metric.labels.items():
            labels[name] = NAMED.get(values) if isinstance(values, Configured) else values
        parts = PARTS if metric.kind is Kind.HISTOGRAM else {"": set[str]()}
        for part, more in parts.items():
            found[metric.name + part] = {**labels, **dict.fromkeys(more)}
    return found | recorded()


@cache
def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


@cache
def recorded() -> dict[str, Labels]:
    """The series that rules make, with the labels that they sum by."""
    found = {}
    for rule in rules():
        if "record" in rule:
            by = re.match(r"sum by \(([\w, ]+)\)", rule["expr"])
            found[rule["record"]] = dict.fromkeys(by[1].split(", ") if by else ())
    return found


@cache
def expressions() -> dict[str, str]:
    """Every expression of the rules, the dashboards and the page, by where it stands."""
    found = {rule.get("alert") or rule["record"]: rule["expr"] for rule in rules()}
    found |= {f"page: {asks}": asked for asks, asked in ROW.findall(PAGE.read_text())}
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text())
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                found[f"{path.stem}: {panel['title']} {target['refId']}"] = target["expr"]
        for note in dashboard["annotations"]["list"]:
            found[f"{path.stem}: annotation {note['name']}"] = note["expr"]
        for variable in dashboard["templating"]["list"]:
            if values := VALUES.fullmatch(variable.get("definition", "")):
                found[f"{path.stem}: ${variable['name']}"] = f"sum by ({values[2]}) ({values[1]})"
    return found


def unknown(series: Asked) -> list[str]:
    """What of this nobody tells."""
    labels = told().get(series.name)
    if labels is None:
        return [f"there is no {series.name}"]
    used = {*series.values, *series.grouped} - ADDED
    wrong = [f"{series.name} has no label {name}" for name in sorted(used - labels.keys())]
    for name, values in series.values.items():
        known = labels.get(name)
        strange = [v for v in values if known is not None and v not in known]
        wrong += [f"{series.name} has no {name}={value}" for value in strange]
    return wrong


@pytest.mark.parametrize("where", expressions())
def test_every_series_that_is_asked_for_is_told_with_these_labels_and_values(where: str) -> None:
    found = asked(expressions()[where])
    assert found
    assert [wrong for series in found for wrong in unknown(series)] == []


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("rate(loregate_request_total[5m])", "there is no loregate_request_total"),
        ("loregate_request_seconds", "there is no loregate_request_seconds"),
        ("sum by (user) (loregate_tasks)", "loregate_tasks has no label user"),
        ('loregate_requests_total{code="5xx"}', "loregate_requests_total has no label code"),
        ('loregate_requests_total{status="500"}', "loregate_requests_total has no status=500"),
        (
            'loregate_breaker_state{state=~"open|ajar"}',
            "loregate_breaker_state has no state=ajar",
        ),
    ],
)
def test_a_name_a_label_or_a_value_that_nobody_tells_is_found(expression: str, wrong: str) -> None:
    assert [w for series in asked(expression) for w in unknown(series)] == [wrong]


def test_the_states_of_breakers_are_those_of_the_code() -> None:
    assert set(told()["loregate_breaker_state"]["state"] or ()) == {s.value for s in BreakerState}


def test_all_that_the_gateway_tells_is_looked_at() -> None:
    """What it tells and nobody looks at would be told in vain."""
    seen = {series.name for text in expressions().values() for series in asked(text)}
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in seen}
    assert {metric.name for metric in ALL} - shown - seen == set()
