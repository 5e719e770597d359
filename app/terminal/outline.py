"""An answer's JSON as text for people: its name, then each field under its own name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from app.terminal.screen import BOLD

HIDDEN = ("content_id", "metadata", "parent_content_id", "parent_element_id", "child_elements")
TITLES = ("name", "element")  # fields whose value is a heading
SHORT = 60  # characters that stand behind their name on one line

Line = tuple[str, str]  # with its style


def outline(answer: Mapping[str, Any]) -> Iterator[Line]:
    """Lines with their styles; what is null or empty is left out."""
    shown = {k: v for k, v in answer.items() if k not in HIDDEN and v not in (None, [], {})}
    if title := next((shown.pop(t) for t in TITLES if t in shown), None):
        yield str(title), BOLD
    short = {
        k: v for k, v in shown.items() if not isinstance(v, list | dict) and len(str(v)) < SHORT
    }
    for name, value in short.items():
        yield f"{words(name)}: {_scalar(value)}", ""
    for name, value in shown.items():
        if name not in short:
            yield "", ""
            yield words(name), BOLD
            yield from _block(value)


def _block(value: Any, indent: str = "") -> Iterator[Line]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _item(f"{indent}{words(key)}", inner, indent)
    elif isinstance(value, list):
        for item in value:
            yield from _bullet(item, indent)
    else:
        yield f"{indent}{_scalar(value)}", ""


def _item(label: str, value: Any, indent: str) -> Iterator[Line]:
    if value in (None, [], {}):
        return
    if isinstance(value, Mapping | list):
        yield f"{label}:", ""
        yield from _block(value, indent + "  ")
    else:
        yield f"{label}: {_scalar(value)}", ""


def _bullet(item: Any, indent: str) -> Iterator[Line]:
    if not isinstance(item, Mapping):
        yield f"{indent}- {_scalar(item)}", ""
        return
    rest = dict(item)
    first = next((t for t in (*TITLES, *rest) if t in rest), None)
    if first is not None:
        value = rest.pop(first)
        yield f"{indent}- {value if first in TITLES else f'{words(first)}: {_scalar(value)}'}", ""
    yield from _block(rest, indent + "  ")


def words(name: str) -> str:
    return (name[:1].upper() + name[1:]).replace("_", " ")


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
