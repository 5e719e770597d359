"""Origins: which pages of elsewhere may ask. One rule for CORS and for WebSockets."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Sequence

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

LOOPBACK = re.compile(r"https?://(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
MAX_LOGGED_ORIGIN = 200  # characters of an origin that are logged
REFUSED = "Pages of this origin may not ask: LOREGATE_CORS_ORIGINS names those that may"

log = logging.getLogger(__name__)


class Origins:
    """The origins that were set (`*` is all of them), and those of this machine where it may be."""

    def __init__(self, allowed: Collection[str] = (), *, loopback: bool = False) -> None:
        """`loopback`: so may the pages that this machine itself serves, on whatever port."""
        self.allowed, self._loopback = frozenset(allowed), loopback

    def named(self, origin: str) -> bool:
        """Whether a setting lets it in, whatever it calls this gateway."""
        return origin in self.allowed or "*" in self.allowed

    def __contains__(self, origin: str) -> bool:
        if self.named(origin):
            return True
        return self._loopback and LOOPBACK.fullmatch(origin) is not None


def refused(what: str, origin: str) -> str:
    """Log that a page was refused; what it is told."""
    log.warning(
        "%s from a page of %r was refused: LOREGATE_CORS_ORIGINS does not name it",
        what,
        origin[:MAX_LOGGED_ORIGIN],
    )
    return REFUSED


class Cors(CORSMiddleware):
    """Starlette's, which also says which setting refused a page."""

    def __init__(
        self,
        app: ASGIApp,
        origins: Origins,
        *,
        allow_methods: Sequence[str],
        allow_headers: Sequence[str],
        expose_headers: Sequence[str],
        max_age: int,
    ) -> None:
        super().__init__(
            app,
            allow_origins=origins.allowed,
            allow_methods=allow_methods,
            allow_headers=allow_headers,
            expose_headers=expose_headers,
            max_age=max_age,
        )
        self._origins = origins

    def is_allowed_origin(self, origin: str) -> bool:
        return origin in self._origins

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        origin = request_headers["origin"]
        if self.is_allowed_origin(origin):
            return response
        kept = {n: v for n, v in response.headers.items() if not n.startswith("content-")}
        return PlainTextResponse(refused("A request", origin), 400, headers=kept)
