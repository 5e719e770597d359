"""Responses: bodies as JSON, and errors as the contract's table."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from app.errors import GatewayError
from app.http import error_headers
from app.limit_standing import Standing


class JSON(Response):
    """A JSON body, UTF-8."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content)


def error_body(error: GatewayError, request_id: str) -> dict[str, Any]:
    return {
        "code": error.code,
        "message": error.message,
        "details": {"request_id": request_id, **error.details},
    }


def error_response(
    error: GatewayError, request_id: str, standing: Standing | None = None
) -> Response:
    return JSON(error_body(error, request_id), error.status, error_headers(error, standing))
