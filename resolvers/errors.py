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
MAX_MESSAGE = 200  # characters of one of graphql-core's, which quotes what the caller sent
MAX_QUOTED = 60  # characters of each thing in it that is quoted
QUOTED = re.compile(r"(['\"])(.{61,}?)\1", re.DOTALL)
# REST names a value's place; a query's own arguments stand beside `input`.
ARGUMENTS = {"after", "first", "types", "contentTypes", "id", "ids", "requests"}
ARGUMENTS |= {"since", "until", "by", "user"}


class InvalidDocument(Exception):
    """A document that never became an operation; `facts` are for the caller, in camelCase."""

    def __init__(self, errors: Sequence[GraphQLError], code: str, **facts: object) -> None:
        super().__init__(code)
        self.errors, self.code, self.facts = list(errors), code, facts

    def formatted(self, request_id: str) -> list[dict[str, Any]]:
        found = {"code": self.code, "requestId": request_id, **self.facts}
        return [_with(e, found) for e in self.errors]


def shortened(message: str) -> str:
    """A message with as little of the caller's own words as tells them what is meant."""
    if len(message) <= MAX_MESSAGE:
        return message
    said = QUOTED.sub(
        lambda found: f"{found[1]}{found[2][: MAX_QUOTED - 1]}…{found[1]}",
        message[: 10 * MAX_MESSAGE],
    )
    return said if len(said) <= MAX_MESSAGE else f"{said[: MAX_MESSAGE - 1]}…"


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
    shown["message"] = _message(original)
    return shown


def _message(error: GatewayError) -> str:
    """The error's own, with its field named as GraphQL names it."""
    if not isinstance(error, InvalidRequest):
        return error.message
    first = error.errors[0]
    return f"Invalid request: {_path(first.path)}: {first.error}" if first.path else error.message


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
    return {"field": ".".join([name, *parts]), "error": shortened(said)}


def _argument(kind: TypeNode) -> str | None:
    """The one argument that takes a variable of this type."""
    named = print_ast(kind).strip("[]!")
    if named == "BatchRequest":
        return "requests"
    return "input" if named.endswith("Input") else None


def from_gateway(error: GatewayError, request_id: str) -> dict[str, Any]:
    """An error that belongs to no field."""
    return {"message": _message(error), "extensions": extensions(error, request_id)}


def _with(error: GraphQLError, found: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"message": shortened(error.message)}
    if error.locations:
        shown["locations"] = [{"line": x.line, "column": x.column} for x in error.locations]
    if error.path:
        shown["path"] = error.path
    shown["extensions"] = found
    return shown
