"""Pages: what the gateway shows to browsers, under headers that let a page do nothing else.

No page has a token in it: in `loregate dev` its script asks for one at `SESSION`, elsewhere its
user pastes one.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from importlib import metadata

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from app.console import assets
from app.console.assets import Package

CONSOLE = "/console"
SESSION = "/console/session"
GRAPHIQL = "/graphql"  # whose endpoint shows the page to browsers
REFERENCE = "/api/v2/docs"

# `connect-src 'self'` is also the WebSocket of the same host (CSP level 3, section 6.7.2.8).
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
# Its style sheet has its fonts in it; its dialogs write a style, so that the page does not scroll.
GRAPHIQL_NEEDS = {"style-src": "'self' 'unsafe-inline'", "font-src": "'self' data:"}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?")
OURS = ("same-origin", "none")  # Sec-Fetch-Site of our own pages, and of who typed the address
NOT_OURS = "Only the gateway's own pages may ask for this"

Page = Callable[[Request], Awaitable[Response]]

# GraphiQL 2 and its query builder (MIT), React 17 (MIT) and graphql-ws (MIT), as static files.
GRAPHIQL_FILES = Package(
    name="graphiql",
    distribution="graphene-django-graphiql-static",
    folder="graphene_django_graphiql_static/static/graphene_django_graphiql_static",
    files=(
        "react.production.min.js",
        "react-dom.production.min.js",
        "graphiql.min.js",
        "graphiql.min.css",
        "graphiql-plugin-explorer.umd.js",
        "graphql-ws.min.js",
        "style.css",
    ),
)
# Swagger UI 5 (Apache-2.0), from a package whose own code is never imported.
SWAGGER_UI_FILES = Package(
    name="swagger-ui",
    distribution="mkdocs-swagger-ui-tag",
    folder="mkdocs_swagger_ui_tag/swagger-ui",
    files=("javascripts/swagger-ui-bundle.js", "stylesheets/swagger-ui.css"),
)


def policy(loosened: Mapping[str, str] | None = None) -> str:
    """The content security policy, with other values for the directives that are given."""
    return "; ".join(f"{name} {value}" for name, value in {**POLICY, **(loosened or {})}.items())


class Pages:
    """The pages that are on, and their files: the REST reference always, others by settings."""

    def __init__(
        self,
        *,
        console: bool = False,
        graphiql: bool = False,
        development_token: Callable[[], str] | None = None,
    ) -> None:
        """`development_token`: signs one for who opens a page of `loregate dev`."""
        self._console, self._graphiql = console, graphiql
        self._development_token = development_token
        self._assets = SWAGGER_UI_FILES.assets() | assets.own("reference", SWAGGER_UI_FILES)
        if console:
            self._assets |= assets.own("console") | assets.own("client")
        if graphiql:
            self._assets |= GRAPHIQL_FILES.assets() | assets.own("graphiql", GRAPHIQL_FILES)

    @property
    def graphiql(self) -> Page | None:
        """GraphiQL, for a browser that opens the endpoint; None where it is off."""
        return self._page("graphiql/index.html", GRAPHIQL_NEEDS) if self._graphiql else None

    @property
    def reference(self) -> Page:
        """The REST reference, to read and to try."""
        return self._page("reference/index.html")

    @property
    def files(self) -> list[str]:
        """The addresses of all files that are served."""
        return [f"{assets.PATH}/{name}" for name in self._assets]

    def routes(self) -> list[Route]:
        found = [Route(SESSION, self._session), Route(f"{assets.PATH}/{{path:path}}", self._file)]
        if self._console:
            found.append(Route(CONSOLE, self._page("console/index.html")))
        return found

    def front_door(self) -> Route:
        """The bare address leads to the first page that is on."""
        first = CONSOLE if self._console else GRAPHIQL if self._graphiql else REFERENCE

        async def lead(_: Request) -> Response:
            return RedirectResponse(first)

        return Route("/", lead)

    def _page(self, name: str, loosened: Mapping[str, str] | None = None) -> Page:
        headers = {**HEADERS, "Content-Security-Policy": policy(loosened)}

        async def page(request: Request) -> Response:
            return await self._assets[name].response(request, headers)

        return page

    async def _file(self, request: Request) -> Response:
        asset = self._assets.get(request.path_params["path"])
        if asset is None:
            raise HTTPException(404)
        headers = {**HEADERS, "Content-Security-Policy": policy()}
        return await asset.response(request, headers)

    async def _session(self, request: Request) -> Response:
        """Whether this is `loregate dev`, a token if it is, and the gateway's version."""
        headers = {**HEADERS, "Cache-Control": "no-store"}
        if request.headers.get("sec-fetch-site") not in OURS:
            return JSONResponse({"message": NOT_OURS}, 403, headers)
        sign = self._development_token
        found = {
            "dev": sign is not None,
            "token": sign() if sign and _is_this_machine(request) else None,
            "version": metadata.version("loregate"),
        }
        return JSONResponse(found, headers=headers)


def _is_this_machine(request: Request) -> bool:
    """Whether both ends are this machine's own; a name that leads here by a trick is not its own
    (DNS rebinding), nor is who comes by a forwarding server."""
    named = LOOPBACK.fullmatch(request.headers.get("host", "")) is not None
    try:
        return (
            named
            and ipaddress.ip_address(request.client.host if request.client else "").is_loopback
        )
    except ValueError:
        return False
