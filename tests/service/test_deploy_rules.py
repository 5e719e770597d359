"""The alerts in deploy/prometheus: each is played and explained; the operator has the same."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prometheus.generate import ALERTS, OBJECT, made

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "docs" / "guides" / "runbook.md").read_text()
SEVERITIES = {"critical", "warning", "info"}
TOLD = ("**Means:**", "**Look first:**", "**Do:**", "**Over when:**")
PANEL = re.compile(r"\*([A-Z][^*\n]+)\*(?!\*)")


@cache
def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule for g in groups for rule in g["rules"] if "alert" in rule}


@cache
def played() -> dict[str, list[dict[str, Any]]]:
    """By alert, what `promtool test rules` expects of it, in its order."""
    tests = yaml.safe_load((ALERTS.parent / "alerts_test.yml").read_text())["tests"]
    found: dict[str, list[dict[str, Any]]] = {}
    for test in tests:
        for expected in test["alert_rule_test"]:
            found.setdefault(expected["alertname"], []).append(expected)
    return found


def paragraphs() -> dict[str, str]:
    """The runbook's, by the slug of their heading."""
    parts = re.split(r"^## (.+)$", RUNBOOK, flags=re.M)[1:]
    return {name.lower(): text for name, text in zip(parts[::2], parts[1::2], strict=True)}


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on(name: str) -> None:
    rule = alerts()[name]
    assert rule["labels"]["severity"] in SEVERITIES
    assert len(rule["annotations"]["summary"]) < 120  # it stands on a phone
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert (ROOT / page).read_text() == RUNBOOK
    assert anchor == name.lower()
    paragraph = paragraphs()[anchor]
    assert [paragraph.count(told) for told in TOLD] == [1] * len(TOLD)
    assert sorted(TOLD, key=paragraph.index) == list(TOLD)


@pytest.mark.parametrize("name", alerts())
def test_an_alert_is_played_firing_and_then_over(name: str) -> None:
    fires = [bool(expected.get("exp_alerts")) for expected in played()[name]]
    assert fires.count(True) == 1
    assert fires[-1] is False


def test_the_runbook_explains_no_alert_that_is_gone() -> None:
    assert paragraphs().keys() == {name.lower() for name in alerts()}


def test_the_runbook_names_panels_by_their_titles() -> None:
    dashboard = yaml.safe_load((ROOT / "deploy/grafana/dashboards/loregate.json").read_text())
    titles = {panel["title"] for panel in dashboard["panels"]}
    named = {" ".join(name.split()) for name in PANEL.findall(RUNBOOK)}
    short = {name for name in named if not any(t.startswith(name) for t in titles)}
    assert short == {"Targets"}  # Prometheus's own page


def test_the_operators_copy_is_made_of_the_alerts() -> None:
    assert OBJECT.read_text() == made(), "run deploy/prometheus/generate.py"
    copied = yaml.safe_load(OBJECT.read_text())["spec"]
    assert copied == yaml.safe_load(ALERTS.read_text())


def test_the_guide_says_how_many_alerts_there_are() -> None:
    guide = (ROOT / "docs" / "guides" / "monitoring.md").read_text()
    assert f"| {len(alerts())} alerts" in guide
