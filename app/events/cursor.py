"""Cursor: positions in the log as clients hold them, opaque and good on any process."""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from app.errors import InvalidRequest

HEADER = struct.Struct(">BB")  # version, number of the log's partitions
POSITION = struct.Struct(">BIQI")  # partition, epoch, milliseconds, sequence
CHECKSUM = struct.Struct(">I")
VERSION = 1
MAX_LENGTH = 2_000  # characters; 64 partitions take 1,459


class EntryId(NamedTuple):
    """A stream entry's id: milliseconds and a sequence number within them."""

    ms: int
    seq: int

    @classmethod
    def parse(cls, text: str | bytes) -> EntryId:
        ms, _, seq = (text.decode() if isinstance(text, bytes) else text).partition("-")
        return cls(int(ms), int(seq or 0))

    def __str__(self) -> str:
        return f"{self.ms}-{self.seq}"

    def before(self) -> EntryId:
        """The position right before this one, whether or not an entry stands there."""
        if self.seq:
            return EntryId(self.ms, self.seq - 1)
        return EntryId(self.ms - 1, 2**32 - 1) if self.ms else self


class Position(NamedTuple):
    """A position in one partition, and the epoch of the log in which it means something."""

    epoch: int
    entry_id: EntryId


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a reader stands: right behind `positions[partition]`, for each that it reads."""

    partitions: int
    positions: dict[int, Position]

    def encode(self) -> str:
        parts = [HEADER.pack(VERSION, self.partitions)]
        parts += [POSITION.pack(p, m.epoch, *m.entry_id) for p, m in sorted(self.positions.items())]
        body = b"".join(parts)
        return base64.urlsafe_b64encode(body + CHECKSUM.pack(zlib.crc32(body))).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """Raises `InvalidRequest` for `after` when the text is no cursor that was given out."""
        try:
            if len(text) > MAX_LENGTH:
                raise ValueError("too long")
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            body, check = raw[: -CHECKSUM.size], raw[-CHECKSUM.size :]
            version, partitions = HEADER.unpack_from(body)
            if version != VERSION or CHECKSUM.pack(zlib.crc32(body)) != check:
                raise ValueError("not a cursor")
            found = {
                p: Position(epoch, EntryId(ms, seq))
                for p, epoch, ms, seq in POSITION.iter_unpack(body[HEADER.size :])
            }
        except (ValueError, struct.error):
            raise InvalidRequest.at(("after",), "not a cursor of this gateway") from None
        return cls(partitions, found)
