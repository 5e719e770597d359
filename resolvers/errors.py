"""Errors as GraphQL shows them: a code for machines, facts in camelCase, nothing of the inside."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from graphql import GraphQLError, TypeNode, VariableDefinitionNode, print_ast

from app.errors import GatewayError, InternalError, InvalidRequest, RateLimited

log = logging.getLogger(__name__)

UNFIT = re.compile(r"Variable '\$(\w+)' has invalid value(?: at ([\w.\[\]]+))?: (.+)", re.DOTALL)
# REST names a value's place; a query's own arguments stand beside `input`.
ARGUMENTS = ("after", "first", "types", "contentTypes", "id", "requests")


class InvalidDocument(Exception):
    """A document that never became an operation."""

    def __init__(self, errors: Sequence[GraphQLError], code: str) -> None:
        super().__init__(code)
        self.errors, self.code = list(errors), code

    def formatted(self, request_id: str) -> list[dict[str, Any]]:
        return [_with(e, {"code": self.code, "requestId": request_id}) for e in self.errors]


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


def _path(path: Iterable[str | int]) -> str:
    """A REST path as the camelCase path from `input`; an argument of its own stays as it is."""
    parts = [camel(p) if isinstance(p, str) else str(p) for p in path]
    if parts and parts[0] in ARGUMENTS:
        return ".".join(parts)
    return ".".join(["input", *parts])


def extensions(error: GatewayError, request_id: str) -> dict[str, Any]:
    """An error's code and facts."""
    found: dict[str, Any] = {"code": error.code, "requestId": request_id}
    if isinstance(error, InvalidRequest):
        found["code"] = "BAD_USER_INPUT"
        listed = [{"field": _path(e.path), "error": e.error} for e in error.errors]
        return found | listed[0] | {"errors": listed}
    if isinstance(error, RateLimited):
        reset = datetime.fromtimestamp(error.reset_at, UTC).isoformat(timespec="milliseconds")
        return found | {
            "scope": error.scope,
            "limit": error.limit,
            "remaining": 0,
            "resetAt": reset,
            "retryAfterMs": error.retry_after_ms,
        }
    found |= {camel(k): v for k, v in error.details.items()}
    if error.retry_after is not None:
        found["retryAfterMs"] = round(error.retry_after * 1000)
    return found


def formatted(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """An execution's error; what nobody foresaw is logged, and shown by its request id alone."""
    original = error.original_error
    while isinstance(original, GraphQLError):
        original = original.original_error
    if original is None:
        return _with(error, {"code": "BAD_USER_INPUT", "requestId": request_id, **_place(error)})
    if not isinstance(original, GatewayError):
        log.error("unexpected error", exc_info=original, extra={"request_id": request_id})
        original = InternalError()
    shown = _with(error, extensions(original, request_id))
    shown["message"] = original.message
    return shown


def _place(error: GraphQLError) -> dict[str, str]:
    """Which field of a variable does not fit its type; graphql-core tells it in words alone."""
    found = UNFIT.match(error.message)
    if found is None:
        return {}
    name, path, said = found.groups()
    variable = next(iter(error.nodes or ()), None)
    if isinstance(variable, VariableDefinitionNode):
        name = _argument(variable.type) or name  # whatever the client named its variable
    parts = re.findall(r"\w+", path or "")
    return {"field": ".".join([name, *parts]), "error": said}


def _argument(kind: TypeNode) -> str | None:
    """The one argument that takes a variable of this type."""
    named = print_ast(kind).strip("[]!")
    if named == "BatchRequest":
        return "requests"
    return "input" if named.endswith("Input") else None


def from_gateway(error: GatewayError, request_id: str) -> dict[str, Any]:
    """An error that belongs to no field."""
    return {"message": error.message, "extensions": extensions(error, request_id)}


def _with(error: GraphQLError, found: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"message": error.message}
    if error.locations:
        shown["locations"] = [{"line": x.line, "column": x.column} for x in error.locations]
    if error.path:
        shown["path"] = error.path
    shown["extensions"] = found
    return shown
