"""PublishedKeys: verification keys read from a JWKS URL (RFC 7517), kept, and renewed in time.

Why it is our own stands in docs/decisions/0011-published-keys.md.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx2
import jwt

from app.errors import DependencyUnavailable, SettingsError
from app.policies.keys import ALGORITHMS, ALLOWED, Key, bind

URL = "LOREGATE_JWT_JWKS_URL"
FRESH_TTL = 300.0  # s; older keys still serve while they are fetched anew
MIN_FETCH_INTERVAL = 30.0  # s at least between two fetches, whatever tokens say
FETCH_TIMEOUT = 3.0  # s for the whole fetch
MAX_BODY_BYTES = 256 * 1024  # bytes
MAX_KEYS = 32  # keys taken from one document: about 2 ms
MAX_KEYS_TRIED = 8  # keys tried for a token that names none: about 1 ms of RS256

log = logging.getLogger(__name__)


class PublishedKeys:
    """Keys of a JWKS URL. At most one fetch runs, and one begins in 30 s.

    While the URL cannot be read the keys read last stay in use. An answer without one usable key
    counts as unreadable. `clock` is monotonic seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        algorithms: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.algorithms = _crossed(algorithms)
        self._url, self._clock = _checked(url), clock
        self._keys: tuple[Key, ...] = ()
        self._fetched_at = self._begun_at = float("-inf")
        self._failed = True
        self._fetch: asyncio.Task[None] | None = None
        # Made once, here: its TLS context takes 20 ms. Plain bytes only: a body is bounded as sent.
        # No time-outs of its own: TIMEOUT is for the whole fetch, however slowly bytes drip.
        self._client = httpx2.AsyncClient(
            timeout=None, follow_redirects=False, headers={"Accept-Encoding": "identity"}
        )

    async def fitting(self, algorithm: str, kid: str | None) -> Sequence[Key]:
        """See `KeySource`. A token without `kid` meets a newly published key within 5 minutes."""
        self._renew_in_background()
        if not self._knows(algorithm, kid):
            await self._renew()
        return [k for k in self._keys if k.algorithm == algorithm and kid in (None, k.id)][
            :MAX_KEYS_TRIED
        ]

    def holds(self, key: Key) -> bool:
        self._renew_in_background()  # a gateway that only meets remembered tokens must renew too
        return key in self._keys

    async def close(self) -> None:
        """End the fetch under way; whoever waits for it gets `DependencyUnavailable`."""
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.wait({self._fetch})
        await self._client.aclose()

    def _knows(self, algorithm: str, kid: str | None) -> bool:
        if kid is None:
            return any(key.algorithm == algorithm for key in self._keys)
        return any(key.id == kid for key in self._keys)

    def _renew_in_background(self) -> None:
        if self._keys and self._clock() - self._fetched_at >= FRESH_TTL and self._pause() <= 0:
            self._begin()

    async def _renew(self) -> None:
        """Wait for a fetch begun now or under way; `DependencyUnavailable` when there is none."""
        if self._fetch is None or self._fetch.done():
            if self._pause() > 0:
                raise DependencyUnavailable("keys", retry_after=self._pause())
            self._begin()
        if self._fetch is not None:
            await asyncio.wait({self._fetch})  # a caller who leaves does not end it for the others
        if self._failed:
            raise DependencyUnavailable("keys", retry_after=max(1.0, self._pause()))

    def _pause(self) -> float:
        return self._begun_at + MIN_FETCH_INTERVAL - self._clock()

    def _begin(self) -> None:
        self._begun_at, self._failed = self._clock(), True
        self._fetch = asyncio.create_task(self._read(), name="jwks")

    async def _read(self) -> None:
        try:
            keys = usable(await self._document(), self.algorithms)
        except Exception as error:  # somebody else's answer can fail in any way
            log.warning("verification keys not fetched: %s: %.200s", type(error).__name__, error)
            return
        self._keys, self._fetched_at, self._failed = keys, self._clock(), False

    async def _document(self) -> Any:
        body = bytearray()
        async with (
            asyncio.timeout(FETCH_TIMEOUT),
            self._client.stream("GET", self._url) as response,
        ):
            if response.status_code != httpx2.codes.OK:
                raise ValueError("not 200")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise ValueError("too long")
        return json.loads(body)


def usable(document: Any, algorithms: Collection[str]) -> tuple[Key, ...]:
    """The document's keys that may verify signatures; `ValueError` when there is none.

    A key's kind decides its algorithm; its own `alg` can only take it out of use. Secret (`oct`),
    private and encryption keys are passed over.
    """
    entries = document["keys"][:MAX_KEYS]
    keys = tuple(key for entry in entries if (key := _read_entry(entry)) is not None)
    found = tuple(key for key in keys if key.algorithm in algorithms)
    if not found:
        raise ValueError("no usable key")
    return found


def _read_entry(entry: Any) -> Key | None:
    with suppress(Exception):  # PyJWK lets several kinds of error through; such a key is unusable
        if _for_signatures(entry):
            key = bind(jwt.PyJWK(entry).key, entry.get("kid"))
            if key is not None and entry.get("alg") in (None, key.algorithm):
                return key
    return None


def _for_signatures(entry: dict[str, Any]) -> bool:
    return (
        "d" not in entry  # a private key: to find an RSA key's primes would take long
        and entry.get("use") in (None, "sig")
        and "verify" in entry.get("key_ops", ["verify"])
        and isinstance(entry.get("kid"), str | None)
    )


def _crossed(algorithms: Collection[str]) -> frozenset[str]:
    public = frozenset(ALGORITHMS) - {"HS256"}
    if algorithms and not public.intersection(algorithms):
        raise SettingsError(f"{ALLOWED} allows nothing that {URL} can verify: {', '.join(public)}")
    return public.intersection(algorithms) if algorithms else public


def _checked(url: str) -> str:
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc:
            return url
    shown = "" if "@" in url else f" is {url!r}:"  # what stands before an @ is a password
    raise SettingsError(
        f"{URL}{shown} it must be an http:// or https:// address without a user name"
    )
