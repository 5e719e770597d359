"""Cursor: positions in the log as clients hold them, opaque and good on any process.

Behind the positions stands a keyed check: who makes one up would have a process read, for nothing,
what others have published since the log's begin.
"""

from __future__ import annotations

import base64
import struct
import zlib
from dataclasses import dataclass, field
from typing import NamedTuple

from app.errors import InvalidRequest
from app.seal import TAG_SIZE, Seal

HEADER = struct.Struct(">BB")  # version, number of the log's partitions
POSITION = struct.Struct(">BIQI")  # partition, epoch, milliseconds, sequence
VERSION = 2
UNSEALED = 1  # the version that had a checksum alone; such a cursor is expired
CHECKSUM = struct.Struct(">I")
MAX_LENGTH = 2_000  # characters; 64 partitions take 1,475


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
    """Where a reader stands: right behind `positions[partition]`, for each that it reads.

    `text` is how a client gave it; only `genuine` ones are to be believed.
    """

    partitions: int
    positions: dict[int, Position]
    text: str = field(default="", compare=False)

    def encode(self, seal: Seal) -> str:
        parts = [HEADER.pack(VERSION, self.partitions)]
        parts += [POSITION.pack(p, m.epoch, *m.entry_id) for p, m in sorted(self.positions.items())]
        body = b"".join(parts)
        return _text(body + seal.tag(body))

    @classmethod
    def decode(cls, text: str) -> Cursor:
        """What the text says, which may be a lie.

        Raises `InvalidRequest` for `after` when it cannot be a cursor that was given out.
        """
        try:
            raw = _raw(text)
            version, partitions = HEADER.unpack_from(raw)
            found = {
                p: Position(epoch, EntryId(ms, seq))
                for p, epoch, ms, seq in POSITION.iter_unpack(_body(raw, version)[HEADER.size :])
            }
        except (ValueError, struct.error):
            raise InvalidRequest.at(("after",), "not a cursor of this gateway") from None
        return cls(partitions, found, text)

    def genuine(self, seal: Seal) -> bool:
        """Whether it was given out, by whichever process, under the key of now."""
        raw = _raw(self.text)
        return raw[0] == VERSION and seal.fits(raw[:-TAG_SIZE], raw[-TAG_SIZE:])


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(text: str) -> bytes:
    if len(text) > MAX_LENGTH:
        raise ValueError("too long")
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _text(raw) != text:
        raise ValueError("one cursor is written in one way")
    return raw


def _body(raw: bytes, version: int) -> bytes:
    if version == VERSION:
        return raw[:-TAG_SIZE]
    body, check = raw[: -CHECKSUM.size], raw[-CHECKSUM.size :]
    if version != UNSEALED or CHECKSUM.pack(zlib.crc32(body)) != check:
        raise ValueError("not a cursor")
    return body
