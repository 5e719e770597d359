"""Panels: what each one of the dashboard asks, asked."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from tests.alerts.prometheus import FASTER, Prometheus

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards" / "loregate.json"
# As Grafana would put them in: four scrapes, and every gateway.
VARIABLES = {"$__rate_interval": f"{60 // FASTER}s", "$instance": ".*"}
STEP = 5  # s


def questions() -> list[tuple[str, str]]:
    """Each panel's expressions, with its title, the variable's and the annotation's behind them."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = [
        (f"{panel['title']} {target['refId']}", target["expr"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    notes = [(f"annotation {n['name']}", n["expr"]) for n in dashboard["annotations"]["list"]]
    return found + notes


async def series(prometheus: Prometheus, expression: str, begin: float, end: float) -> int:
    """How many series have a number somewhere between these times."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    found = await prometheus.ask("query_range", query=expression, start=begin, end=end, step=STEP)
    return sum(_told(one["values"]) for one in found["result"])


def _told(values: list[Any]) -> bool:
    return any(not math.isnan(float(value)) for _, value in values)
