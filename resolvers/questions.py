"""Questions: what a client asks, read from a request or a message, before anything is parsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request

from app.errors import AddressTooLong, GatewayError, UnsupportedMediaType
from app.http import read_body
from resolvers.media_types import JSON

MAX_QUERY_STRING = 8_192  # bytes of a GET's address; proxies take no more by default
READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Question:
    """A document or the id of one, its variables, and which operation to run.

    query is empty where only an id was sent; apollos: whether that is the hash of Apollo's
    automatic persisted queries, whose client sends the text when it is told to. trace: what stands
    in `extensions` as `traceparent` and `tracestate`, unread. timing: whether the answer is to tell
    where its time went.
    """

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    document_id: str | None = None
    apollos: bool = False
    trace: tuple[Any, Any] = (None, None)
    timing: bool = False


class BadQuestion(GatewayError):
    """A request that holds no document; `field` is the part that is wrong."""

    status, code = 422, "BAD_USER_INPUT"

    def __init__(self, field: str, error: str) -> None:
        where = f"{field}: " if field else ""
        super().__init__(f"Invalid request: {where}{error}", field=field, error=error)


class UnreadableQuestion(BadQuestion):
    """A request, or a part of it, that is no JSON."""

    status = 400


async def read(request: Request) -> Question:
    """The request's document and variables.

    Raises:
        BadQuestion, AddressTooLong, UnsupportedMediaType, PayloadTooLarge, InvalidRequest
    """
    if request.method in READING:
        return _from_address(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise UnsupportedMediaType(f"Send the document with Content-Type: {JSON}")
    return question(_decoded(await read_body(request), ""))


def _from_address(request: Request) -> Question:
    if len(request.scope["query_string"]) > MAX_QUERY_STRING:
        raise AddressTooLong(MAX_QUERY_STRING)
    given: dict[str, Any] = dict(request.query_params)
    for part in ("variables", "extensions"):
        if part in given:
            given[part] = _decoded(given[part], part) if given[part] else None
    return question(given)


def _decoded(text: str | bytes, part: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise UnreadableQuestion(part, "not JSON in UTF-8") from None


def question(given: Any) -> Question:
    """A client's object as a question. Raises `BadQuestion` naming what is wrong."""
    if not isinstance(given, Mapping):
        raise BadQuestion("", "an object with `query` is wanted")
    for part in ("variables", "extensions"):
        if not isinstance(given.get(part), Mapping | None):
            raise BadQuestion(part, "an object is wanted")
    for part in ("operationName", "documentId"):
        if not isinstance(given.get(part), str | None):
            raise BadQuestion(part, "a string is wanted")
    extensions = given.get("extensions") or {}
    hashed = _apollo_id(extensions)
    document_id = given.get("documentId") or hashed
    query = given.get("query")
    if query is None and document_id:
        query = ""
    elif not isinstance(query, str) or not query.strip():
        raise BadQuestion("query", "a GraphQL document is wanted")
    variables = given.get("variables")
    name = given.get("operationName")
    return Question(
        query,
        dict(variables) if variables else None,
        name or None,
        document_id,
        apollos=bool(hashed and not given.get("documentId")),
        trace=(extensions.get("traceparent"), extensions.get("tracestate")),
        timing=extensions.get("timing") is True,
    )


def _apollo_id(extensions: Mapping[str, Any]) -> str | None:
    """A document's id as Apollo's clients send it: its SHA-256."""
    asked = extensions.get("persistedQuery")
    found = asked.get("sha256Hash") if isinstance(asked, Mapping) else None
    return found if isinstance(found, str) and found else None
