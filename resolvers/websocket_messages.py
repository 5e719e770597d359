"""What is read of the messages of `graphql-transport-ws`, and what closes a socket."""

from __future__ import annotations

from typing import Any

import orjson

from app.errors import GatewayError

MAX_OPERATIONS = 100  # on one socket at once
MAX_ID_CHARACTERS = 128  # characters of an operation's id
MAX_REASON_BYTES = 123  # bytes that a close frame has for it (RFC 6455, section 5.5)


class Closing(Exception):
    """The protocol was broken, or the lease has ended: close with this code.

    farewell: whether the client is told first how far each of its subscriptions was read.
    """

    def __init__(self, code: int, reason: str, *, farewell: bool = False) -> None:
        super().__init__(reason)
        self.code, self.farewell = code, farewell
        self.reason = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")


class TooManyOperations(GatewayError):
    """One operation too many at once on a socket; the others go on."""

    status, code = 429, "TOO_MANY_OPERATIONS"

    def __init__(self) -> None:
        super().__init__(f"A socket may run at most {MAX_OPERATIONS} operations at once")


def decoded(text: str | None) -> dict[str, Any]:
    """A client's message. Raises `Closing`."""
    try:
        found = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        raise Closing(4400, "A message must be JSON in a text frame") from None
    if not isinstance(found, dict) or not isinstance(found.get("type"), str):
        raise Closing(4400, "A message must be an object with a type")
    if not isinstance(found.get("payload"), dict | None):
        raise Closing(4400, "A message's payload must be an object")
    return found


def operation_id(message: dict[str, Any]) -> str:
    """The id of the message's operation. Raises `Closing`."""
    name = message.get("id")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_ID_CHARACTERS:
        raise Closing(4400, f"An operation's id has 1 to {MAX_ID_CHARACTERS} characters")
    return name


def ping(cursors: dict[str, str | None]) -> dict[str, Any]:
    """A ping with the known cursors, behind which a client would go on with each subscription."""
    known = {name: cursor for name, cursor in cursors.items() if cursor is not None}
    return {"type": "ping", "payload": {"cursors": known}} if known else {"type": "ping"}
