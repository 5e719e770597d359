"""Reading the OpenAPI document: what it refers to, its operations and its schemas."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs

from app.rest.openapi import openapi_document

MAPS = ("properties", "patternProperties")  # of names or patterns to schemas


@cache
def document() -> dict[str, Any]:
    """Made once, in 70 ms; not to be changed."""
    return openapi_document()


def schemas(node: Any, *, named: bool = False) -> Iterator[dict[str, Any]]:
    """Every schema in a schema; `named`: the node maps names to schemas."""
    if isinstance(node, list):
        for item in node:
            yield from schemas(item)
    elif isinstance(node, dict):
        if not named:
            yield node
        for key, value in node.items():
            if named or key not in ("examples", "enum", "required", "const"):
                yield from schemas(value, named=not named and key in MAPS)


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """The node itself, or what it refers to."""
    found: Any = document()
    for key in node["$ref"].split("/")[1:] if "$ref" in node else ():
        found = found[key]
    return found if "$ref" in node else node


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation of the document with its path."""
    for path, item in document()["paths"].items():
        for method in item.keys() - {"parameters"}:
            yield path, item[method]


def held(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]})
