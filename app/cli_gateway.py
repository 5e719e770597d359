"""Where the gateway is that the commands call, and by which token: from the environment."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.errors import SettingsError
from app.terminal.client import GatewayClient

if TYPE_CHECKING:
    from app.settings import Settings

RENEWED_AFTER = 3600.0  # s; a token of the developer's is good for a day
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104  # nobody binds
LOOPBACK = ("127.0.0.1", "[::1]", "localhost")


def gateway(note: Callable[[str], None] | None = None) -> GatewayClient:
    """The gateway at LOREGATE_URL, else the one that these settings would start.

    Raises:
        SettingsError: a setting is wrong.
    """
    return GatewayClient(url(), token_source(), note)


def url() -> str:
    given = os.environ.get("LOREGATE_URL", "")
    if not given:
        settings = _settings()
        host = ANY_ADDRESS.get(settings.host, settings.host)
        return (
            f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"
        )
    if not given.startswith(("http://", "https://")):
        raise SettingsError(
            f"LOREGATE_URL is {given!r}; http://HOST:PORT or https://HOST is wanted"
        )
    return given


def token_source() -> Callable[[], str | None]:
    """LOREGATE_TOKEN; else tokens signed here, as `loregate dev` prints one; else none.

    The development secret signs for this machine only: elsewhere it would be refused.
    """
    if given := os.environ.get("LOREGATE_TOKEN", "").strip():
        return lambda: given
    from app import cli_token

    settings = _settings()
    if not (settings.jwt_secret or settings.jwt_private_key):
        if not url().partition("://")[2].startswith(LOOPBACK):
            return lambda: None
        try:
            settings = cli_token.with_secret(settings)
        except SettingsError:  # nothing to sign with: the gateway's answer says what to do
            return lambda: None
    return _renewed(cli_token.developer(settings))


def _renewed(sign: Callable[[], str] | None) -> Callable[[], str | None]:
    """The same token for an hour: signing takes a moment, and the gateway knows it then."""
    last: tuple[float, str] | None = None

    def token() -> str | None:
        nonlocal last
        if sign is not None and (last is None or time.monotonic() - last[0] > RENEWED_AFTER):
            last = time.monotonic(), sign()
        return last and last[1]

    return token


def _settings() -> Settings:
    from app.settings import Settings

    return Settings.load(dev=True, env_file=Path(".env"))
