"""An Auth Service for tests: keys of every kind, tokens good and forged, and a JWKS server."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from functools import cache
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import get_default_algorithms

NOW = 1_700_000_000.0
SECRET = "correct horse battery staple, thirty-two bytes"
PUBLIC_ALGORITHMS = ("RS256", "ES256", "EdDSA")


class KeyPair:
    """One key pair of the kind that `algorithm` takes."""

    def __init__(self, algorithm: str, private: Any = None) -> None:
        makers: dict[str, Any] = {
            "RS256": lambda: rsa.generate_private_key(65537, 2048),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }
        self.algorithm = algorithm
        self.private: Any = private or makers[algorithm]()

    @property
    def public_pem(self) -> str:
        form = PublicFormat.SubjectPublicKeyInfo
        return str(self.private.public_key().public_bytes(Encoding.PEM, form).decode())

    @property
    def private_pem(self) -> str:
        form = PrivateFormat.PKCS8
        return str(self.private.private_bytes(Encoding.PEM, form, NoEncryption()).decode())

    def jwk(self, kid: str | None = None, **changes: object) -> dict[str, Any]:
        public = self.private.public_key()
        made = get_default_algorithms()[self.algorithm].to_jwk(public, as_dict=True)
        named = {} if kid is None else {"kid": kid}
        return {**made, "use": "sig", **named, **changes}

    def token(self, headers: dict[str, Any] | None = None, **claims: object) -> str:
        return jwt.encode(filled(claims), self.private, self.algorithm, headers)


@cache
def pair(algorithm: str, number: int = 0) -> KeyPair:
    """The test run's key pair of that kind and number: RSA keys take long to make."""
    return KeyPair(algorithm)


def filled(claims: dict[str, object]) -> dict[str, Any]:
    """The claims of a good token with these changes; `...` takes a claim out."""
    both = {"sub": "ada", "exp": NOW + 3600, **claims}
    return {name: value for name, value in both.items() if value is not ...}


def token(secret: str = SECRET, headers: dict[str, Any] | None = None, **claims: object) -> str:
    """An HS256 token."""
    return forged({"alg": "HS256", "typ": "JWT", **(headers or {})}, filled(claims), secret)


def forged(header: object, claims: object, secret: str = SECRET) -> str:
    """Whatever is given, signed as HS256 would be: JSON, or bytes as they are."""
    signed = f"{part(header)}.{part(claims)}"
    return f"{signed}.{part(hmac.digest(secret.encode(), signed.encode(), hashlib.sha256))}"


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Clock:
    """Time that tests move."""

    def __init__(self, at: float = NOW) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class KeyServer:
    """`async with KeyServer(jwk, …) as server`: a JWKS endpoint on loopback at `server.url`.

    `asked` counts the requests. While `open` is cleared, answers wait. `close` is an outage.
    """

    def __init__(self, *jwks: dict[str, Any]) -> None:
        self.body = b""
        self.status, self.headers, self.asked = "200 OK", "", 0
        self.open = asyncio.Event()
        self.open.set()
        self.arrived = asyncio.Event()
        self._port = 0
        self._server: asyncio.Server | None = None
        self.publish(*jwks)

    def publish(self, *jwks: dict[str, Any]) -> None:
        self.body = json.dumps({"keys": jwks}).encode()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/jwks"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        self.arrived.set()
        await self.open.wait()
        head = f"HTTP/1.1 {self.status}\r\nContent-Length: {len(self.body)}\r\n{self.headers}"
        writer.write(head.encode() + b"Connection: close\r\n\r\n" + self.body)
        writer.close()
