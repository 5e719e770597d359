"""Grafana's own types know every field of the dashboard, and lose none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DASHBOARDS = sorted((Path(__file__).parents[2] / "deploy/grafana/dashboards").glob("*.json"))
# What Grafana's plug-in for Prometheus adds to an annotation and to a variable.
ADDED = ("titleFormat", "textFormat", "step", "definition")


def lost(given: Any, back: Any, where: str = "") -> Iterator[str]:
    """Where the types have dropped or changed something."""
    if isinstance(given, dict) and isinstance(back, dict):
        for key, value in given.items():
            if key not in back and value is not None:
                yield f"{where}.{key}"
            elif key in back:
                yield from lost(value, back[key], f"{where}.{key}")
    elif isinstance(given, list) and isinstance(back, list) and len(given) == len(back):
        for number, (one, other) in enumerate(zip(given, back, strict=True)):
            yield from lost(one, other, f"{where}[{number}]")
    elif given != back:
        yield where


def back_from_types(dashboard: Any) -> Any:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()  # the options of each kind of panel, and Prometheus's queries
    return json.loads(json.dumps(Dashboard.from_json(dashboard), cls=JSONEncoder))


@pytest.mark.docs
@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda p: p.name)
def test_a_dashboard_is_what_grafanas_types_say(path: Path) -> None:
    given = json.loads(path.read_text())
    found = list(lost(given, back_from_types(given)))
    assert [where for where in found if not where.endswith(ADDED)] == []


@pytest.mark.docs
def test_a_field_that_grafana_does_not_know_is_found() -> None:
    given = json.loads(DASHBOARDS[0].read_text())
    given["panels"][1]["gridPosition"] = given["panels"][1].pop("gridPos")
    given["panels"][1]["options"]["colourMode"] = "background"
    found = list(lost(given, back_from_types(given)))
    assert ".panels[1].gridPosition" in found
    assert ".panels[1].options.colourMode" in found


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda p: p.name)
def test_panels_lie_beside_each_other_and_have_names_of_their_own(path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({panel["title"] for panel in panels}) == len(panels)
    taken = set[tuple[int, int]]()
    for place in (panel["gridPos"] for panel in panels):
        across = range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in across for y in range(place["y"], place["y"] + place["h"])}
        assert max(across) < 24
        assert not cells & taken
        taken |= cells
