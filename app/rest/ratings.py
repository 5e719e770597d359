"""Ratings over REST: one's own of a content, and the report of all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from app.errors import InvalidRequest
from app.http import read_json
from app.pipeline.context import RequestContext
from app.pipeline.gateway import Gateway
from app.pipeline.ratings import Rating, RatingGroup, RatingReport
from app.rest.responses import JSON

PATH = "/api/v2/content/{content_id}/rating"
REPORT = "/api/v2/ratings"

Handler = Callable[[RequestContext, Request], Awaitable[Response]]


def handler(gateway: Gateway) -> Handler:
    """PUT rates a content, GET reads the rating."""

    async def rating(context: RequestContext, request: Request) -> Response:
        content_id = request.path_params["content_id"]
        if request.method == "PUT":
            body = await read_json(request)
            return JSON(rating_body(await gateway.ratings.rate(context, content_id, body)))
        return JSON(rating_body(await gateway.ratings.read(context, content_id)))

    return rating


def reporter(gateway: Gateway) -> Handler:
    """The report of everybody's ratings, from `since` to before `until`."""

    async def report(context: RequestContext, request: Request) -> Response:
        since, until = (_moment(request, name) for name in ("since", "until"))
        return JSON(report_body(await gateway.ratings.report(context, since, until)))

    return report


def _moment(request: Request, name: str) -> datetime | None:
    given = request.query_params.get(name)
    if not given:
        return None
    try:
        return datetime.fromisoformat(given)
    except ValueError:
        said = "a moment is wanted, such as 2026-11-01 or 2026-11-01T12:00:00Z"
        raise InvalidRequest.at((name,), said) from None


def rating_body(rating: Rating) -> dict[str, Any]:
    return {
        "content_id": rating.content_id,
        "score": rating.score,
        "comment": rating.comment or None,
        "rated_at": rating.rated_at.isoformat(timespec="milliseconds"),
    }


def report_body(report: RatingReport) -> dict[str, Any]:
    return {
        "since": report.since.isoformat(),
        "until": report.until.isoformat(),
        "groups": [_group(group) for group in report.groups],
        "truncated": report.truncated,
    }


def _group(group: RatingGroup) -> dict[str, Any]:
    return {
        "operation": group.operation,
        "model": group.model,
        "prompt_version": group.prompt_version,
        "variant": group.variant,
        "count": group.count,
        "mean": group.mean,
        "scores": list(group.scores),
    }
