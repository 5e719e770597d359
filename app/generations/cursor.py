"""Cursor: a position in a transcript as clients hold it, opaque and of one generation."""

from __future__ import annotations

import base64
import struct
import zlib

from app.errors import CursorExpired, InvalidRequest
from app.seal import TAG_SIZE, Seal

BODY = struct.Struct(">IQ")  # the generation, as a sum of its id; the position
CHECKSUM = struct.Struct(">I")  # all the check that cursors had before they were sealed
SIZES = (BODY.size + TAG_SIZE, BODY.size + CHECKSUM.size)  # bytes


class Cursors:
    """Written and read under one seal."""

    def __init__(self, seal: Seal | None = None) -> None:
        self._seal = seal or Seal("generations")

    def encode(self, generation_id: str, position: int) -> str:
        body = BODY.pack(_sum(generation_id), position)
        tag = self._seal.tag(generation_id.encode() + body)
        return _text(body + tag)

    def decode(self, generation_id: str, text: str) -> int:
        """The position.

        Raises:
            InvalidRequest: for `after`, which is no cursor or another generation's.
            CursorExpired: it was not given out under the key of now; all of the generation is to
                be read again.
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            body, tag = raw[: BODY.size], raw[BODY.size :]
            of, position = BODY.unpack(body)
            if len(raw) not in SIZES or _text(raw) != text.rstrip("=") or of != _sum(generation_id):
                raise ValueError("not of this generation")
        except (ValueError, struct.error):
            raise InvalidRequest.at(("after",), "not a cursor of this generation") from None
        if not self._seal.fits(generation_id.encode() + body, tag):
            raise CursorExpired(self.encode(generation_id, 0))
        return int(position)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _sum(generation_id: str) -> int:
    return zlib.crc32(generation_id.encode())
