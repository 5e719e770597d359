"""The page of the documentation that has what was measured, and what each row does for it."""

from __future__ import annotations

from tests.benchmarks.bench import ROOT
from tests.benchmarks.peers import plot
from tests.benchmarks.peers.results import Cell, Results, Setting
from tests.benchmarks.peers.rows import ROWS
from tests.benchmarks.peers.servers import SERVERS

PAGE = ROOT / "docs/benchmarks.md"
FIGURES = ROOT / "docs/benchmarks.json"
PLOT = ROOT / "docs/images/frontier.svg"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def shown(cell: Cell, name: str) -> str:
    """A median, with least and most of the rounds in brackets."""
    low, high = cell.spread(name)
    median = cell.median(name)
    digits = 0 if median >= 100 else 1 if median >= 10 else 2
    if len(cell.found[name]) == 1:
        return f"{median:,.{digits}f}"
    return f"{median:,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def _title(setting: Setting) -> str:
    plural = "connection" if setting.connections == 1 else "connections"
    if not setting.delay:
        waits = "a model that answers at once"
    elif setting.streamed:
        waits = f"a model that begins after {setting.delay} ms and takes {setting.pace} ms a token"
    else:
        waits = f"a model that takes {setting.delay} ms"
    return f"{setting.connections} {plural}, {waits}"


def _lines(found: Results, setting: Setting) -> list[str]:
    kind = "streams" if setting.streamed else "answers"
    names = ["rps", "p50", "p99", "cpu", "busy", "memory"]
    heads = [f"{kind} a second", "p50 ms", "p99 ms", "CPU ms each", "core busy", "RSS MB"]
    if setting.streamed:
        names.insert(1, "first")
        heads.insert(1, "first text ms")
    lines = [f"| row | {' | '.join(heads)} |", "|" + "---|" * (len(heads) + 1)]
    cells = [c for c in found.cells if found.find(c.row, setting) is c]
    cells = [c for c in cells if c.streamed is setting.streamed]
    for cell in sorted(cells, key=lambda c: -c.median("rps")):
        row = ROWS[cell.row]
        name = f"{SERVERS[row.server].name}, {row.says}"
        name = f"**{name}**" if row.server == "loregate" else name
        told = [f"{cell.median(n):.0%}" if n == "busy" else shown(cell, n) for n in names]
        lines.append(f"| {name} | {' | '.join(told)} |")
    return lines


def tables(found: Results) -> str:
    if not found.cells:
        return "Nothing was measured yet.\n"
    rounds = f"medians of {found.rounds} rounds of {found.seconds:g} s, with least and most"
    lines = [f"{found.machine}; {rounds}.", ""]
    lines += [", ".join(f"{name} {v}" for name, v in sorted(found.versions.items())) + ".", ""]
    for streamed, title in ((False, "### Whole answers"), (True, "### Streamed answers")):
        for number, setting in enumerate(found.settings(streamed=streamed)):
            lines += [title, ""] if not number else []
            lines += [f"{_title(setting)}:", "", *_lines(found, setting), ""]
    lines += [f"{SERVERS[name].name}: {why}.\n" for name, why in found.absent.items()]
    return "\n".join(lines).strip() + "\n"


def what_each_does() -> str:
    lines = ["| server | does for a request | does not |", "|---|---|---|"]
    lines += [f"| {s.name} | {s.does} | {s.does_not} |" for s in SERVERS.values()]
    return "\n".join(lines) + "\n"


def publish(found: Results) -> None:
    """Writes the figures, the plot, and the part of the page between its two marks."""
    found.write(FIGURES)
    PLOT.write_text(plot.drawn(found))
    text = PAGE.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    told = f"{BEGIN}\n\n{what_each_does()}\n## Figures\n\n{tables(found)}\n{END}"
    PAGE.write_text(head + told + tail)
