"""CSV as RFC 4180 has it, that a spreadsheet can open without running anything in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# What a spreadsheet reads as a formula begins so, as OWASP's page on CSV injection lists it.
FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")


def csv_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A header and a line for each row. What is None is empty; a text that would be taken for a
    formula begins with an apostrophe."""
    text = io.StringIO()
    write = csv.writer(text).writerow
    write(columns)
    for row in rows:
        write([_cell(row[name]) for name in columns])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
