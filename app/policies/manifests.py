"""Manifests: lists of documents as files have them, by id; their shape tells what they are.

Two shapes: `{"<id>": "<text>"}`, which is ours, Relay's and graphql-codegen's; and Apollo's
`{"format": "apollo-persisted-query-manifest", "version": 1, "operations": [{"id", "body"}]}`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from app.errors import SettingsError

MAX_DOCUMENTS = 10_000
MAX_TEXT = 65_536  # characters; what a document sent as text may have, too
MAX_MANIFEST = 64 * 1024 * 1024  # bytes
MAX_PROBLEMS = 20  # named at once
ID = re.compile(r"[A-Za-z0-9._~:-]{1,128}")  # what a URL takes as it is, and the prefixes' colon
SHA256 = re.compile(r"[0-9a-f]{64}")
PREFIX = "sha256:"
APOLLO = "apollo-persisted-query-manifest"
SHAPES = 'an object of ids and texts, {"<id>": "<text>"}, or Apollo\'s persisted query manifest'


def sha256(text: str) -> str:
    """The id that a document has of itself: 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def bare(document_id: str) -> str:
    """An id as lists have it: `sha256:…`, as GraphQL over HTTP writes it, without its prefix."""
    rest = document_id.removeprefix(PREFIX)
    return rest if SHA256.fullmatch(rest) else document_id


def is_apollos(found: Any) -> bool:
    """Whether it is a manifest that Apollo's tool makes, as opposed to a list that is ours."""
    return isinstance(found, dict) and found.get("format") == APOLLO


def decoded(content: bytes, where: str) -> Any:
    """The JSON of a manifest. Raises `SettingsError`."""
    if len(content) > MAX_MANIFEST:
        raise SettingsError(f"{where}: more than {MAX_MANIFEST // 2**20} MB")
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise SettingsError(f"{where}: not JSON: {error}") from None


def read(content: bytes, where: str) -> dict[str, str]:
    """A manifest's texts by their ids.

    Raises:
        SettingsError: naming `where` and each entry that is wrong, up to 20 of them.
    """
    found = decoded(content, where)
    entries = list(_entries(found, where))
    problems = [f"{where}: {said}" for name, text in entries if (said := wrong(name, text))]
    texts: dict[str, str] = {}
    for name, text in entries if not problems else ():
        if texts.setdefault(bare(name), text) != text:
            problems.append(f"{where}: {name} stands there twice, with two texts")
    if len(entries) > MAX_DOCUMENTS:
        problems.append(f"{where}: {len(entries)} documents; at most {MAX_DOCUMENTS} may be listed")
    refuse(problems)
    return texts


def refuse(problems: Iterable[str]) -> None:
    """Raises `SettingsError` with the first problems, where there is one."""
    if found := list(problems):
        more = len(found) - MAX_PROBLEMS
        rest = [f"and {more} more"] if more > 0 else []
        raise SettingsError("\n".join([*found[:MAX_PROBLEMS], *rest]))


def _entries(found: Any, where: str) -> Iterable[tuple[Any, Any]]:
    if not isinstance(found, Mapping):
        raise SettingsError(f"{where}: {SHAPES} is wanted")
    if "format" not in found:
        return found.items()
    if not is_apollos(found):
        raise SettingsError(f"{where}: the format {_short(found['format'])} is not known; {SHAPES}")
    if found.get("version") != 1:
        raise SettingsError(f"{where}: version {_short(found.get('version'))}; 1 is known")
    operations = found.get("operations")
    if not isinstance(operations, list) or not all(isinstance(o, Mapping) for o in operations):
        raise SettingsError(f"{where}: operations: a list of objects is wanted")
    return [(o.get("id"), o.get("body")) for o in operations]


def wrong(name: Any, text: Any) -> str | None:
    """What is wrong with an entry before anything reads its text; None where nothing is."""
    if not isinstance(name, str) or not ID.fullmatch(name):
        return f"the id {_short(name)}: 1 to 128 of A-Z a-z 0-9 . _ ~ : - are wanted"
    if name.startswith(PREFIX) and bare(name) == name:
        return f"{name}: 64 hexadecimal digits are wanted behind {PREFIX}"
    if not isinstance(text, str) or not text.strip():
        return f"{name}: the text of a document is wanted"
    if len(text) > MAX_TEXT:
        return f"{name}: more than {MAX_TEXT} characters"
    if SHA256.fullmatch(bare(name)) and bare(name) != sha256(text):
        return f"{name}: the SHA-256 of its text is {sha256(text)}"
    return None


def _short(value: Any) -> str:
    return repr(value)[:60]
