"""Cursor: a position in a transcript as clients hold it, opaque and of one generation."""

from __future__ import annotations

import base64
import struct
import zlib

from app.errors import InvalidRequest

BODY = struct.Struct(">IQ")  # the generation, as a sum of its id; the position
CHECKSUM = struct.Struct(">I")


def encode(generation_id: str, position: int) -> str:
    body = BODY.pack(zlib.crc32(generation_id.encode()), position)
    return base64.urlsafe_b64encode(body + CHECKSUM.pack(zlib.crc32(body))).decode()


def decode(generation_id: str, text: str) -> int:
    """The position. Raises `InvalidRequest` for `after` unless it was given out for this one."""
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
        _, position = BODY.unpack(raw[: -CHECKSUM.size])
        if encode(generation_id, position) != text:
            raise ValueError("not of this generation")
    except (ValueError, struct.error):
        raise InvalidRequest.at(("after",), "not a cursor of this generation") from None
    return int(position)
