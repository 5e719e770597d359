"""`loregate ratings`: how good users found what was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from app.cli_gateway import gateway
from app.terminal.run import run
from app.terminal.screen import Screen

PATH = "/api/v2/ratings"
COLUMNS = ("operation", "model", "prompt_version", "variant", "count", "mean", "scores")

cli = typer.Typer(add_completion=False)


@cli.command()
def ratings(
    since: Annotated[
        str | None, typer.Option(help="A day or a moment; 30 days before the end by itself.")
    ] = None,
    until: Annotated[str | None, typer.Option(help="Before then; now by itself.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show how good users found what was made, by what made it; for `gateway:admin`.

    The columns are the operation, the model, the prompt's version, the canary (- without one), how
    many contents were rated, their mean score, and how many got 1, 2, 3, 4 and 5. Asking counts as
    one request.

    Exit codes as `loregate write --help` has them.
    """
    screen = Screen(as_json=as_json)
    asked = {"since": since, "until": until}
    run(screen, _ratings(screen, {k: v for k, v in asked.items() if v is not None}))


async def _ratings(screen: Screen, asked: Mapping[str, str]) -> int:
    async with gateway(screen.say) as client:
        found = await client.ask("GET", f"{PATH}?{urlencode(asked)}")
    if screen.as_json:
        screen.json(found)
        return 0
    rows = [_cells(group) for group in found["groups"]]
    for line in _aligned(rows) if screen.live else map("\t".join, rows):
        screen.line(line)
    if found["truncated"]:
        screen.say("these are the most rated; there are more")
    return 0


def _cells(group: Mapping[str, Any]) -> list[str]:
    shown = {
        **group,
        "variant": group["variant"] or "-",
        "mean": f"{group['mean']:.2f}",
        "scores": " ".join(map(str, group["scores"])),
    }
    return [str(shown[name]) for name in COLUMNS]


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
