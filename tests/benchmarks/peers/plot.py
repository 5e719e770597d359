"""The frontier as SVG: how soon one caller is answered, and how many one core answers.

Two panels with logarithmic axes, better towards the upper left. Light or dark as the
reader's system is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from tests.benchmarks.peers.results import Cell, Results, Setting
from tests.benchmarks.peers.rows import ROWS

WIDTH, HEIGHT = 1120, 560
LEFT, TOP, BOTTOM, GAP = 70, 92, 64, 90  # px around a panel, and between two
LETTER, LINE = 6.9, 13  # px that a letter of a label takes, and its line
FIGURES = (1, 2, 5)
STYLE = """
svg{--ink:#1b1f24;--soft:#57606a;--rule:#d8dee4;--paper:#fff;--ours:#b3400e;--theirs:#33608f}
@media(prefers-color-scheme:dark){
svg{--ink:#e6edf3;--soft:#9aa4af;--rule:#30363d;--paper:#0f1318;--ours:#ff9a5c;--theirs:#7db3ec}}
text{font:12px system-ui,sans-serif;fill:var(--ink)}
.paper{fill:var(--paper)}.title{font-size:17px;font-weight:600}.panel{font-size:14px;font-weight:600}
.soft{fill:var(--soft)}.rule{stroke:var(--rule);stroke-width:1}.axis{stroke:var(--soft);fill:none}
.ours{fill:var(--ours);stroke:var(--ours)}.theirs{fill:var(--theirs);stroke:var(--theirs)}
text.ours,text.theirs{stroke:none}text.ours{font-weight:600}.hit{fill:var(--paper);stroke-width:2}
.spread{stroke-width:1.2;opacity:.7}"""


@dataclass(frozen=True)
class Point:
    """A row's place, medians with their spread; `y` is the better the more."""

    name: str
    x: tuple[float, float, float]  # least, median, most
    y: tuple[float, float, float]

    @property
    def kind(self) -> str:
        return "ours" if ROWS[self.name].server == "loregate" else "theirs"


class Scale:
    """A logarithmic axis from `low` to `high`, over pixels."""

    def __init__(self, values: Sequence[float], begins: float, ends: float) -> None:
        self.low, self.high = min(values) / 1.5, max(values) * 1.5
        self._begins, self._ends = begins, ends

    def __call__(self, value: float) -> float:
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self._begins + part * (self._ends - self._begins)

    def ticks(self) -> Iterator[float]:
        for power in range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))):
            for figure in FIGURES:
                if self.low <= figure * 10.0**power <= self.high:
                    yield figure * 10.0**power


def whole(found: Results) -> Iterator[Point]:
    for name, row in ROWS.items():
        one, many = (found.find(name, Setting(c, 0)) for c in (1, 64))
        if one and many and not row.streamed:
            yield Point(name, _three(one, "p50"), _three(many, "rps"))


def streams(found: Results) -> Iterator[Point]:
    """First text beyond the model's own delay, and how many streams a core's time is enough for."""
    for name, row in ROWS.items():
        for cell in found.cells:
            if cell.row == name and row.streamed and cell.delay and cell.connections == 64:
                first = _three(cell, "first", lambda ms, wait=cell.delay: max(ms - wait, 0.5))
                yield Point(name, first, _three(cell, "cpu", lambda ms: 1000 / ms))


def _three(
    cell: Cell, name: str, change: Callable[[float], float] = lambda v: v
) -> tuple[float, float, float]:
    values = sorted(change(v) for v in cell.found[name])
    return values[0], values[len(values) // 2], values[-1]


# -- drawing


def drawn(found: Results) -> str:
    wide = (WIDTH - 2 * LEFT - GAP + 30) / 2
    left = _panel(
        list(whole(found)),
        (LEFT, wide),
        "Whole answers, a model that answers at once",
        "p50 of one connection, ms",
        "answers a second of one core, 64 connections",
    )
    right = _panel(
        list(streams(found)),
        (LEFT + wide + GAP, wide),
        "200 tokens, 5 ms apart, after 300 ms",
        "first text beyond the model's, p50 of 64 streams, ms",
        "streams a second that one core's time is enough for",
    )
    said = "Loregate and others on one core: better is up and left"
    note = "hollow: from the cache · lines: least and most of the rounds · logarithmic axes"
    note = f"{note} · {found.machine}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{said}">',
            f"<style>{STYLE}</style>",
            f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="8"/>',
            _text(LEFT, 32, said, "title"),
            _text(LEFT, 52, note, "soft"),
            *left,
            *right,
            "</svg>\n",
        ]
    )


def _text(x: float, y: float, said: str, kind: str = "", anchor: str = "start") -> str:
    said = escape(said)
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{said}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" class="{kind}"/>'


def _panel(
    points: list[Point], place: tuple[float, float], title: str, across: str, up: str
) -> Iterator[str]:
    begins, ends = place[0], place[0] + place[1]
    top, bottom = TOP + 20, HEIGHT - BOTTOM
    yield _text(begins, TOP - 4, title, "panel")
    yield _text(begins, TOP + 12, f"↑ {up}", "soft")
    yield _text(ends, HEIGHT - 22, f"{across} →", "soft", "end")
    if not points:
        yield _text((begins + ends) / 2, (top + bottom) / 2, "not measured", "soft", "middle")
        return
    x = Scale([v for p in points for v in p.x], begins, ends)
    y = Scale([v for p in points for v in p.y], bottom, top)
    for tick in y.ticks():
        yield _line(begins, y(tick), ends, y(tick), "rule")
        yield _text(begins - 8, y(tick) + 4, f"{tick:,g}", "soft", "end")
    for tick in x.ticks():
        yield _line(x(tick), top, x(tick), bottom, "rule")
        yield _text(x(tick), bottom + 17, f"{tick:,g}", "soft", "middle")
    yield _line(begins, bottom, ends, bottom, "axis")
    yield _line(begins, top, begins, bottom, "axis")
    for point in points:
        yield from _mark(point, x, y)
    yield from _labels(points, x, y, (begins, ends))


def _mark(point: Point, x: Scale, y: Scale) -> Iterator[str]:
    at, height = x(point.x[1]), y(point.y[1])
    yield _line(x(point.x[0]), height, x(point.x[2]), height, f"{point.kind} spread")
    yield _line(at, y(point.y[0]), at, y(point.y[2]), f"{point.kind} spread")
    hollow = " hit" if ROWS[point.name].hits else ""
    yield f'<circle cx="{at:.1f}" cy="{height:.1f}" r="5" class="{point.kind}{hollow}"/>'


Box = tuple[float, float, float, float]


def _labels(points: list[Point], x: Scale, y: Scale, sides: tuple[float, float]) -> Iterator[str]:
    """Each beside its mark, where the fewest others are."""
    taken: list[Box] = [
        (x(p.x[1]) - 6, y(p.y[1]) - 6, x(p.x[1]) + 6, y(p.y[1]) + 6) for p in points
    ]
    for point in sorted(points, key=lambda p: p.kind):
        at, height = x(point.x[1]), y(point.y[1])
        wide = LETTER * len(point.name) + 4
        boxes = [_box(at, height, wide, dx, dy) for dy in (0, -15, 15, -29, 29) for dx in (1, -1)]
        inside = [b for b in boxes if sides[0] < b[0] and b[2] < sides[1] + 24] or boxes
        best = min(inside, key=lambda box: sum(_shared(box, other) for other in taken))
        taken.append(best)
        right, low = best[0] >= at - 9, best[3] - 3
        place, anchor = (best[0], "start") if right else (best[2], "end")
        yield _text(place, low, point.name, point.kind, anchor)


def _box(at: float, height: float, wide: float, side: int, lower: int) -> Box:
    begins = at + 9 if side > 0 else at - 9 - wide
    if lower:
        begins -= side * 9  # above or below the mark, not beside it
    top = height + lower - LINE / 2
    return begins, top, begins + wide, top + LINE


def _shared(one: Box, other: Box) -> float:
    across = min(one[2], other[2]) - max(one[0], other[0])
    down = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, across) * max(0.0, down)
