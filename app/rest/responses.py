"""Responses: bodies as JSON, and errors as the contract's table or as RFC 9457 has them."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import HTTPConnection
from starlette.responses import Response

from app.accept import Accept
from app.errors import GatewayError
from app.http import error_headers
from app.limit_standing import Standing
from app.rest import error_pages

PROBLEM = "application/problem+json"


class JSON(Response):
    """A JSON body, UTF-8."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


class Problem(JSON):
    media_type = PROBLEM


def error_body(error: GatewayError, request_id: str) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "details": {"request_id": request_id, **error.details},
    }


def problem_body(error: GatewayError, request_id: str) -> dict[str, Any]:
    """The same facts as RFC 9457 has them; `code` and the details are extension members."""
    return {
        "type": f"{error_pages.PATH}/{error.code}",
        "title": error_pages.EXPLAINED[error.code].title,
        "status": error.status,
        "detail": error.message,
        "instance": request_id,
        "code": error.code,
        "request_id": request_id,
        **error.details,
    }


def error_response(
    error: GatewayError, request: HTTPConnection, standing: Standing | None = None
) -> Response:
    """The error for this request, in the form that it prefers."""
    request_id: str = request.state.request_id
    headers = {**error_headers(error, standing), "Vary": "Accept"}
    if prefers_problem(Accept.read(request.headers.get("accept"))):
        return Problem(problem_body(error, request_id), error.status, headers)
    return JSON(error_body(error, request_id), error.status, headers)


def prefers_problem(accept: Accept) -> bool:
    """Whether problem+json is accepted by its name, and application/json not more gladly.

    A wildcard does not ask for it: who accepts anything gets what callers always got.
    """
    return accept.names(PROBLEM) and accept.quality(PROBLEM) >= accept.quality(JSON.media_type)
