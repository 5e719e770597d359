"""Stream replies: what XREAD and XRANGE give, alike in RESP2, in RESP3 and from a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Rows = list[tuple[Any, Any]]


def by_stream(reply: Any) -> list[tuple[str, Rows]]:
    """An XREAD's rows, (entry id, fields), for each stream that has any."""
    pairs = reply.items() if isinstance(reply, Mapping) else reply or ()
    return [(name.decode(), _rows(rows)) for name, rows in pairs]


def fields_of(fields: Any) -> Mapping[bytes, bytes]:
    """An entry's fields by name; a script's reply has them as a flat list."""
    if isinstance(fields, dict):
        return fields
    return dict(zip(fields[::2], fields[1::2], strict=True))


def _rows(rows: Any) -> Rows:
    """RESP3 wraps one stream's rows in a list of its own."""
    if len(rows) == 1 and rows[0] and isinstance(rows[0][0], tuple | list):
        return list(rows[0])
    return list(rows)
