"""A part of a running service that does something else for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(part: Any, **attributes: Any) -> Iterator[None]:
    """`part` with these attributes in place of its own; methods are given unbound of it."""
    before = {name: getattr(part, name) for name in attributes}
    for name, value in attributes.items():
        setattr(part, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(part, name, value)
