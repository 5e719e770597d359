"""`loregate limits`: what is left of every limit, for the token's user."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.cli_gateway import gateway
from app.terminal.run import run
from app.terminal.screen import Screen, coloured

QUERY = "query { rateLimits { scope limit remaining resetAt } viewer { id tier } }"
QUOTA = "quota:"  # scopes of what is kept, which falls when something is deleted
BAR = 24  # columns
LOW, SOME = 0.1, 0.5  # shares that are left below which a bar is red, and yellow

Limit = Mapping[str, Any]
cli = typer.Typer(add_completion=False)


@cli.command()
def limits(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show what is left of every limit: bars on a terminal, columns in a pipe.

    The columns are the limit's scope, what is left, what it admits, and the seconds until its
    count falls (0: it is untouched, or a quota, which deleting content frees). Asking counts as
    one request.

    Exit codes as `loregate write --help` has them.
    """
    screen = Screen(as_json=as_json)
    run(screen, _limits(screen))


async def _limits(screen: Screen) -> int:
    async with gateway(screen.say) as client:
        found = await client.graphql(QUERY)
    if screen.as_json:
        screen.json({"user": found["viewer"], "limits": found["rateLimits"]})
    elif screen.live:
        _bars(found["viewer"], found["rateLimits"])
    else:
        for limit in found["rateLimits"]:
            words = (limit["scope"], limit["remaining"], limit["limit"], _seconds(limit))
            screen.line("\t".join(map(str, words)))
    return 0


def _seconds(limit: Limit) -> int:
    if limit["remaining"] == limit["limit"]:
        return 0
    at = datetime.fromisoformat(limit["resetAt"])
    return max(0, math.ceil((at - datetime.now(UTC)).total_seconds()))


def _short(number: int) -> str:
    """Of more than six digits in millions, so that a row fits 80 columns."""
    return str(number) if number < 1_000_000 else f"{number / 1_000_000:.1f}M"


def _bars(viewer: Mapping[str, Any], limits: Sequence[Limit]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(no_color=not coloured(sys.stdout), highlight=False)
    table = Table(
        box=None,
        title_style="",
        title=f"{viewer['id']}, tier {viewer['tier']}",
        title_justify="left",
    )
    for head, side in (("limit", "left"), ("", "left"), ("left", "right"), ("of", "right")):
        table.add_column(head, justify="right" if side == "right" else "left")
    table.add_column("falls in", justify="right")
    filled, empty = ("█", "░") if (console.encoding or "").startswith("utf") else ("#", "-")
    for limit in limits:
        share = limit["remaining"] / limit["limit"]
        width = round(BAR * share)
        colour = "red" if share < LOW else "yellow" if share < SOME else "green"
        bar = f"[{colour}]{filled * width}[/][dim]{empty * (BAR - width)}[/]"
        falls = "" if limit["scope"].startswith(QUOTA) else f"{_seconds(limit)} s"
        left, most = _short(limit["remaining"]), _short(limit["limit"])
        table.add_row(limit["scope"], bar, left, most, falls)
    console.print(table)
