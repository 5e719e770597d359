"""`loregate usage`: what was spent on models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from app.cli_gateway import gateway
from app.csv_table import csv_table
from app.terminal.run import run
from app.terminal.screen import Screen

PATH = "/api/v2/usage"
# Of each row, behind what it is for.
SHOWN = ("requests", "answers", "calls", "total_tokens", "cost_usd")

Row = Mapping[str, Any]
cli = typer.Typer(add_completion=False)


@cli.command()
def usage(
    by: Annotated[
        str, typer.Option(help="What each row is for: day, model, operation, user.")
    ] = "day,model",
    since: Annotated[
        str | None, typer.Option(help="A day or a moment; the first of the month by itself.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before then; now by itself.")] = None,
    user: Annotated[
        str | None, typer.Option(help="Whose; another's needs `gateway:admin`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Every figure, as CSV.")] = False,
) -> None:
    """Show what was spent on models: your own, or everybody's for `gateway:admin`.

    The columns are what each row is for, the requests, the answers, the calls, the tokens and the
    US dollars (? where the price of a call is not known); the last line is all together. Days are
    UTC's. Asking counts as one request for each 10,000 rows.

    Exit codes as `loregate write --help` has them.
    """
    screen = Screen(as_json=as_json)
    asked = {"by": by, "since": since, "until": until, "user": user}
    run(screen, _usage(screen, {k: v for k, v in asked.items() if v is not None}, as_csv=as_csv))


async def _usage(screen: Screen, asked: Mapping[str, str], *, as_csv: bool) -> int:
    found = await _report(screen, asked)
    if screen.as_json:
        screen.json(found)
    elif as_csv:
        screen.write(csv_table([*found["by"], *found["total"]], found["rows"]))
    else:
        rows = [_cells(found["by"], row) for row in found["rows"]]
        for line in _columns([*rows, _cells(found["by"], found["total"])], aligned=screen.live):
            screen.line(line)
    return 0


async def _report(screen: Screen, asked: Mapping[str, str]) -> dict[str, Any]:
    """All pages as one."""
    async with gateway(screen.say) as client:
        found: dict[str, Any] = await client.ask("GET", f"{PATH}?{urlencode(asked)}")
        while (cursor := found["next_cursor"]) is not None:
            same = {"since": found["since"], "until": found["until"], "after": cursor}
            more = await client.ask("GET", f"{PATH}?{urlencode({**asked, **same})}")
            found = {**more, "rows": [*found["rows"], *more["rows"]]}
    return found


def _cells(by: Sequence[str], row: Row) -> list[str]:
    keys = [str(row.get(name) or "-") for name in by]
    figures = [row[name] for name in SHOWN]
    return [*keys, *("?" if value is None else str(value) for value in figures)]


def _columns(rows: Sequence[Sequence[str]], *, aligned: bool) -> list[str]:
    """Between tabs for programs, below each other for people."""
    if not aligned:
        return ["\t".join(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
