"""Usage over REST: what was spent on models, as JSON or as CSV for a spreadsheet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from app.accept import Accept
from app.csv_table import csv_table
from app.errors import InvalidRequest
from app.pipeline.context import RequestContext
from app.pipeline.gateway import Gateway
from app.pipeline.usage_report import DEFAULT_BY, FIGURES, MAX_LINES, UsageRequest
from app.rest.responses import JSON

PATH = "/api/v2/usage"
CSV = "text/csv"


def handler(gateway: Gateway) -> Callable[[RequestContext, Request], Awaitable[Response]]:
    """GET reads a report."""

    async def usage(context: RequestContext, request: Request) -> Response:
        given = request.query_params
        asked, as_csv = _asked(given), _wants_csv(request)
        await context.authorize()
        found = await gateway.usage.read(context.caller, asked)
        if not as_csv:
            return JSON(found, headers={**_link(given, found), "Vary": "Accept"})
        if found["next_cursor"] and "first" not in given:
            said = f"more than {MAX_LINES:,} rows: ask for less, or for pages with `first`"
            raise InvalidRequest.at(("until",), said)
        headers = {**_link(given, found), "Vary": "Accept", "Content-Disposition": _name(found)}
        text = csv_table([*found["by"], *FIGURES], found["rows"])
        return Response(text, media_type=f"{CSV}; charset=utf-8; header=present", headers=headers)

    return usage


def _asked(given: QueryParams) -> UsageRequest:
    by = [name for part in given.getlist("by") for name in part.split(",")]
    return UsageRequest(
        since=_moment(given, "since"),
        until=_moment(given, "until"),
        by=by or DEFAULT_BY,
        user=given.get("user"),
        first=_number(given.get("first", str(MAX_LINES))),
        after=given.get("after"),
    )


def _moment(given: QueryParams, name: str) -> datetime | None:
    """A `+` that was not escaped is a space by now."""
    if name not in given:
        return None
    try:
        return datetime.fromisoformat(given[name].replace(" ", "+"))
    except ValueError:
        said = "must be a day or a moment, such as 2026-11-26 or 2026-11-26T12:00:00Z"
        raise InvalidRequest.at((name,), said) from None


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidRequest.at(("first",), "must be a whole number")
    return int(text)


def _wants_csv(request: Request) -> bool:
    """By its name in `format`, or in `Accept` and more gladly than JSON."""
    wanted = request.query_params.get("format")
    if wanted not in (None, "csv", "json"):
        raise InvalidRequest.at(("format",), "must be csv or json")
    if wanted is not None:
        return wanted == "csv"
    accept = Accept.read(request.headers.get("accept"))
    return accept.names(CSV) and accept.quality(CSV) >= accept.quality(JSON.media_type)


def _link(given: QueryParams, found: dict[str, Any]) -> dict[str, str]:
    """The next page (RFC 8288), of the same time."""
    if found["next_cursor"] is None:
        return {}
    others = [pair for pair in given.multi_items() if pair[0] not in ("since", "until", "after")]
    same = {"since": found["since"], "until": found["until"], "after": found["next_cursor"]}
    return {"Link": f'<{PATH}?{urlencode([*others, *same.items()])}>; rel="next"'}


def _name(found: dict[str, Any]) -> str:
    return f'attachment; filename="usage-{found["since"][:10]}-{found["until"][:10]}.csv"'
