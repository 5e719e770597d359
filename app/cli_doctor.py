"""`loregate doctor`: looks at everything that a gateway needs here, and says how to mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.terminal.failure import SAID_NO
from app.terminal.run import run
from app.terminal.screen import GREEN, RED, YELLOW, Screen

if TYPE_CHECKING:
    from app.doctor.finding import Finding

COLOURS = {"ok": GREEN, "warning": YELLOW, "failure": RED}
cli = typer.Typer(add_completion=False)


@cli.command()
def doctor(
    serve: Annotated[
        bool, typer.Option("--serve", help="By what `loregate serve` needs; without .env.")
    ] = False,
    ask: Annotated[
        bool, typer.Option("--ask", help="Ask each model for a few words too, which costs money.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Look at settings, keys, Redis, database, models, clock, port, data and gateway.

    Each has a line: ok, warning or failure, and after an arrow what to do about it. It waits two
    seconds for each at the most, changes nothing, and shows no secret.

    Exit codes: 0 no failure, 1 at least one.
    """
    screen = Screen(as_json=as_json)
    run(screen, _doctor(screen, serve=serve, ask=ask))


async def _doctor(screen: Screen, *, serve: bool, ask: bool) -> int:
    from app.doctor.examination import examine

    found = await examine(serve=serve)
    if ask and all(f.name != "settings" or f.state != "failure" for f in found):
        found += await _asked(serve=serve)
    well = all(finding.state != "failure" for finding in found)
    if screen.as_json:
        screen.json({"ok": well, "findings": [asdict(finding) for finding in found]})
    else:
        _show(screen, found)
    return 0 if well else SAID_NO


async def _asked(*, serve: bool) -> list[Finding]:
    from app import cli_models
    from app.doctor.finding import Finding
    from app.settings import Settings

    settings = Settings.load() if serve else Settings.load(dev=True, env_file=Path(".env"))
    return [
        Finding("models", "ok" if well else "failure", said)
        for well, said in await cli_models.check(settings)
    ]


def _show(screen: Screen, found: Sequence[Finding]) -> None:
    width = max(len(finding.name) for finding in found)
    for finding in found:
        screen.mark(f"{finding.state:<7}", COLOURS[finding.state])
        fix = f" → {finding.fix}" if finding.fix else ""
        screen.line(f"  {finding.name:<{width}}  {finding.said}{fix}")
