"""Multiprocess: the cells of several workers, each in a file of the directory that they share.

A worker's file is mapped into its memory, so that what it counted is there also when it is killed.
It holds a lock on it for as long as it lives: whoever gets the lock knows that it has ended, adds
its counts to those of all that have, and removes it. So there are as many files as workers, and
one more, however often workers are replaced; and nothing counts twice or is lost, whenever anybody
is killed. Gauges are of the living alone.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.errors import SettingsError
from app.observe.series import Cells, Series

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"  # as other programs that Prometheus reads name it
TOKEN_BYTES = 8  # of a file's name; in the file of the ended, before the cells: who came last


def shared_directory() -> Path | None:
    """Where several workers keep their metrics; None for one that is alone.

    Raises:
        SettingsError: no such directory.
    """
    name = os.environ.get(DIRECTORY)
    if name is None:
        return None
    if not name or not Path(name).is_dir():
        raise SettingsError(f"{DIRECTORY} is {name!r}; it must name a directory that exists")
    return Path(name)


class SharedCells:
    """A worker's own cells, and what all have counted. They last as long as the process."""

    def __init__(self, directory: Path, series: Series) -> None:
        self._series, self._directory = series, directory
        self._kin = f"loregate-{series.digest}"  # workers of another configuration count apart
        self._lock = directory / f"{self._kin}.lock"
        self.path = directory / f"{self._kin}-{secrets.token_hex(TOKEN_BYTES)}.cells"
        with self._locked(fcntl.LOCK_EX):  # between making it and locking it nobody takes it away
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(self._file, series.new().tobytes())
            fcntl.flock(self._file, fcntl.LOCK_EX)
        self.own = memoryview(mmap.mmap(self._file, 8 * series.size)).cast("d")

    def read(self) -> tuple[list[Cells], Cells]:
        """The cells of the living, and the counts of those that have ended."""
        with self._locked(fcntl.LOCK_EX):
            living: list[Cells] = [self.own]
            for path in self._directory.glob(f"{self._kin}-*.cells"):
                if path != self.path:
                    living += self._living(path)
            return living, self._ended()[1]

    def _living(self, path: Path) -> list[Cells]:
        """Its cells; none, and its counts are with the ended, when its process has ended."""
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return [self._array(file.read())]
            self._bury(path.stem.rpartition("-")[2].encode(), self._array(file.read()))
        path.unlink()
        return []

    def _bury(self, token: bytes, cells: array[float]) -> None:
        last, sums = self._ended()
        if token == last:
            return  # whoever added it was killed before removing it
        for at, value in enumerate(cells):
            sums[at] += value
        new = self._directory / f"{self._kin}.new"
        new.write_bytes(token + sums.tobytes())
        new.replace(self._directory / f"{self._kin}.ended")

    def _ended(self) -> tuple[bytes, array[float]]:
        """Who ended last, and what all that have ended counted."""
        with suppress(FileNotFoundError):
            found = (self._directory / f"{self._kin}.ended").read_bytes()
            return found[: 2 * TOKEN_BYTES], self._array(found[2 * TOKEN_BYTES :])
        return b"", self._series.new()

    def _array(self, found: bytes) -> array[float]:
        cells = self._series.new()
        if len(found) == 8 * len(cells):  # or its maker was killed before it had written anything
            cells = array("d", found)
        return cells

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        file = os.open(self._lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, kind)
            yield
        finally:
            os.close(file)
