"""Results: what was measured of each row, as JSON, and medians of the rounds."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Setting:
    """What a cell is measured at: connections, and what the model waits, in ms."""

    connections: int
    delay: int
    streamed: bool = False

    @property
    def pace(self) -> int:
        """ms between two tokens: a model that takes time to begin takes time for each."""
        return 5 if self.streamed and self.delay else 0


@dataclass
class Cell:
    """One row at one setting; a list has a value of each round.

    `rps` answers or streams a second, `cpu` ms of the server's processes for each, `busy` the part
    of its core, `p50` and `p99` ms of the whole answer, `first` ms to a stream's first text,
    `memory` MB.
    """

    row: str
    connections: int
    delay: int
    streamed: bool
    found: dict[str, list[float]] = field(default_factory=dict)

    def add(self, values: dict[str, float]) -> None:
        for name, value in values.items():
            self.found.setdefault(name, []).append(round(value, 4))

    def median(self, name: str) -> float:
        return statistics.median(self.found[name])

    def spread(self, name: str) -> tuple[float, float]:
        return min(self.found[name]), max(self.found[name])


@dataclass
class Results:
    """A run. `absent` says of a server why it is not in it."""

    machine: str
    seconds: float
    rounds: int
    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)

    def cell(self, row: str, setting: Setting) -> Cell:
        """The cell, made when it is missing."""
        found = self.find(row, setting)
        if found is None:
            given = (row, setting.connections, setting.delay, setting.streamed)
            self.cells.append(found := Cell(*given))
        return found

    def find(self, row: str, setting: Setting) -> Cell | None:
        wanted = (row, setting.connections, setting.delay)
        for cell in self.cells:
            if (cell.row, cell.connections, cell.delay) == wanted:
                return cell
        return None

    def settings(self, *, streamed: bool) -> list[Setting]:
        found = {
            Setting(c.connections, c.delay, streamed) for c in self.cells if c.streamed is streamed
        }
        return sorted(found, key=lambda s: (s.delay, s.connections))

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, file: Path) -> Results:
        given: dict[str, Any] = json.loads(file.read_text())
        return cls(**{**given, "cells": [Cell(**cell) for cell in given["cells"]]})
