"""Gzip bomb: a small body of gzip that is hundreds of megabytes when it is opened."""

from __future__ import annotations

import struct
import zlib
from functools import cache

BLOCK = b" " * 2**16
BLOCKS = 3_840  # 240 MiB in all
OPENED, CLOSED = b'{"error": {"message": "', b'", "type": "server_error", "code": null}}'
HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # RFC 1952: deflate, no name, no time


@cache
def gzip_bomb() -> bytes:
    """An error in OpenAI's form with a message of 240 MiB, in about 0.3 MB. Made once, in 20 ms.

    A full flush makes the compressed block one that may be repeated.
    """
    size = len(OPENED) + BLOCKS * len(BLOCK) + len(CLOSED)
    checksum = zlib.crc32(CLOSED, _checksum(zlib.crc32(OPENED)))
    packed = _deflated(OPENED) + _deflated(BLOCK) * BLOCKS + _deflated(CLOSED, zlib.Z_FINISH)
    return HEADER + packed + struct.pack("<II", checksum, size)


def _deflated(content: bytes, flush: int = zlib.Z_FULL_FLUSH) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush(flush)


def _checksum(before: int) -> int:
    """The CRC-32 behind all blocks. A block's step is affine in each of the 32 bits before it."""
    none = zlib.crc32(BLOCK, 0)
    bits = [zlib.crc32(BLOCK, 1 << n) ^ none for n in range(32)]
    found = before
    for _ in range(BLOCKS):
        step = none
        for n, changed in enumerate(bits):
            if found >> n & 1:
                step ^= changed
        found = step
    return found
