"""Places as clients hold them: opaque, and of one generation."""

from __future__ import annotations

import base64
import struct
import zlib

from app.errors import InvalidRequest

FORM = struct.Struct(">IQ")  # the generation, as a sum of its id; the place
SUM = struct.Struct(">I")


def encode(generation_id: str, place: int) -> str:
    body = FORM.pack(zlib.crc32(generation_id.encode()), place)
    return base64.urlsafe_b64encode(body + SUM.pack(zlib.crc32(body))).decode()


def decode(generation_id: str, text: str) -> int:
    """The place. Raises `InvalidRequest` for `after` unless it was given out for this one."""
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
        _, place = FORM.unpack(raw[: -SUM.size])
        if encode(generation_id, place) != text:
            raise ValueError("not of this generation")
    except (ValueError, struct.error):
        raise InvalidRequest.at(("after",), "not a cursor of this generation") from None
    return int(place)
