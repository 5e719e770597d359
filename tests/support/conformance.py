"""The conformance suite in tests: as the program that others run, and without a process."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "conformance"
PROGRAM = FOLDER / "conformance.py"
LONGEST = 120  # s for all cases
sys.path.append(str(FOLDER))  # the folder is to be copied, so its modules name each other alone

Outcomes = list[dict[str, Any]]


def arguments(url: str, **options: Any) -> list[str]:
    """The program's own; what is no text is given as JSON."""
    given = ["--url", url, "--json"]
    for name, value in options.items():
        said = value if isinstance(value, str) else json.dumps(value)
        given += [f"--{name.replace('_', '-')}", said]
    return given


async def run(url: str, **options: Any) -> Outcomes:
    """Every case's outcome, by the program."""
    given = [str(PROGRAM), *arguments(url, **options)]
    process = await asyncio.create_subprocess_exec(sys.executable, *given, stdout=-1, stderr=-1)
    try:
        out, err = await asyncio.wait_for(process.communicate(), LONGEST)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode in (0, 1), err.decode()
    found: Outcomes = json.loads(out)
    bad = any(o["status"] == "failed" and o["level"] != "MAY" for o in found)
    assert process.returncode == bad
    return found


async def judged(url: str, **options: Any) -> Outcomes:
    """The same in this process, which saves it half a second of imports."""
    import conformance
    import play

    given = conformance.arguments(arguments(url, **options))
    cases = conformance.chosen(conformance.load_cases(), given.only, given.excluded)
    found = await play.judge_all(cases, conformance.target(given), given.jobs)
    return [vars(outcome) for outcome in found]


def failed(found: Outcomes) -> dict[str, str]:
    """Why each failed case failed, by its id."""
    return {o["id"]: o["reason"] for o in found if o["status"] == "failed"}


def skipped(found: Outcomes) -> set[str]:
    return {o["id"] for o in found if o["status"] == "skipped"}


def monitor() -> Any:
    """What holds every message of a server against the protocol."""
    import wire

    return wire.Monitor()
