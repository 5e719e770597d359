"""Seal: a keyed check on what clients hold for us: only what was given out is taken back."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Protocol

TAG_SIZE = 16  # bytes: 2^64 guesses for one that fits, and each costs a request


class SealKeys(Protocol):
    """The keys of this process: what is given out is checked by the first, and may be of any."""

    @property
    def keys(self) -> Sequence[bytes]: ...

    async def known(self) -> None:
        """Returns when the first is the one that all processes share.

        Raises:
            DependencyUnavailable: that cannot be known now.
        """
        ...

    async def agree(self) -> None:
        """Look again which one that is: where it was kept, everything was lost. Raises as above."""
        ...


class ProcessKeys:
    """A key of this process alone: what it gives out means nothing to another."""

    def __init__(self) -> None:
        self.keys = (secrets.token_bytes(32),)

    async def known(self) -> None: ...

    async def agree(self) -> None: ...


PROCESS_KEYS = ProcessKeys()


class Seal:
    """Tags of `TAG_SIZE` bytes by BLAKE2b, under a key that is made for one purpose."""

    def __init__(self, purpose: str, source: SealKeys = PROCESS_KEYS) -> None:
        self._purpose, self._source = purpose.encode(), source
        self.known, self.agree = source.known, source.agree
        self._keyed: dict[bytes, hashlib.blake2b] = {}

    def tag(self, body: bytes) -> bytes:
        return self._tag(self._source.keys[0], body)

    def fits(self, body: bytes, tag: bytes) -> bool:
        return any(hmac.compare_digest(self._tag(key, body), tag) for key in self._source.keys)

    def _tag(self, key: bytes, body: bytes) -> bytes:
        keyed = self._keyed.get(key)
        if keyed is None:
            own = hashlib.blake2b(self._purpose, key=key, digest_size=64).digest()
            keyed = self._keyed[key] = hashlib.blake2b(key=own, digest_size=TAG_SIZE)
        found = keyed.copy()
        found.update(body)
        return found.digest()
