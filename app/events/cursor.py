"""Cursor: an opaque place in the log, good on any process."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from app.errors import InvalidRequest

HEAD = struct.Struct(">BB")  # version, number of the log's partitions
MARK = struct.Struct(">BIQI")  # partition, epoch, milliseconds, sequence
SUM = struct.Struct(">I")
VERSION = 1
LONGEST = 2_000  # characters; 64 partitions take 1,459


class Place(NamedTuple):
    """A stream entry's id: milliseconds and a sequence number within them."""

    ms: int
    seq: int

    @classmethod
    def parse(cls, text: str | bytes) -> Place:
        ms, _, seq = (text.decode() if isinstance(text, bytes) else text).partition("-")
        return cls(int(ms), int(seq or 0))

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"

    def before(self) -> Place:
        """The place right before this one, whether or not an entry stands there."""
        if self.seq:
            return Place(self.ms, self.seq - 1)
        return Place(self.ms - 1, 2**32 - 1) if self.ms else self


class Mark(NamedTuple):
    """A place in one partition, and the epoch of the log in which it means something."""

    epoch: int
    place: Place


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a reader stands: right behind `marks[partition]`, for each partition that it reads."""

    partitions: int
    marks: dict[int, Mark]

    def encode(self) -> str:
        parts = [HEAD.pack(VERSION, self.partitions)]
        parts += [MARK.pack(p, m.epoch, *m.place) for p, m in sorted(self.marks.items())]
        body = b"".join(parts)
        return base64.urlsafe_b64encode(body + SUM.pack(zlib.crc32(body))).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Raises `InvalidRequest` for `after` when the text is no cursor that was given out."""
        try:
            if len(text) > LONGEST:
                raise ValueError("too long")
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            body, check = raw[: -SUM.size], raw[-SUM.size :]
            version, partitions = HEAD.unpack_from(body)
            if version != VERSION or SUM.pack(zlib.crc32(body)) != check:
                raise ValueError("not a cursor")
            found = {
                p: Mark(epoch, Place(ms, seq))
                for p, epoch, ms, seq in MARK.iter_unpack(body[HEAD.size :])
            }
        except (ValueError, struct.error):
            raise InvalidRequest.at(("after",), "not a cursor of this gateway") from None
        return cls(partitions, found)
