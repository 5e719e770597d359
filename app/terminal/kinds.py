"""What `loregate write` can be asked for: the kinds of every operation, by the names to type.

An operation whose prose is streamed has a command for each of its kinds; where two operations have
a kind of the same name, the operation's stands before it: `story-quest`, `campaign-quest`. Others
have one, and take their kind as an argument: `npc mentor`. What does not generate is named by its
mutation's verb: `analyze`, `validate`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from app.operations import OPERATIONS, Operation
from app.operations.descriptions import Described, Part, parts

GENERATES = "generate"


@dataclass(frozen=True, slots=True)
class Kind:
    """One command. `selector`: the request's field that says the kind, where it has one; `value`:
    what the command's name puts there, or None where an argument does."""

    name: str
    operation: Operation[Any, Any]
    doc: str
    selector: Part | None
    value: Described | None = None

    @property
    def full_name(self) -> str:
        """The name with its operation before it, which is always understood."""
        return f"{self.operation.name}-{self.value}" if self.value else self.name


@cache
def kinds() -> dict[str, Kind]:
    """All of them by their names, in the operations' order."""
    found = [kind for operation in OPERATIONS.values() for kind in _kinds(operation)]
    shared = Counter(kind.name for kind in found)
    named = (
        Kind(k.full_name, k.operation, k.doc, k.selector, k.value) if shared[k.name] > 1 else k
        for k in found
    )
    return {kind.name: kind for kind in named}


def find(name: str) -> list[Kind]:
    """The kinds that a name may mean: one, several, or none."""
    known = kinds()
    if name in known:
        return [known[name]]
    return [k for k in known.values() if name in (k.full_name, str(k.value or ""))]


def _kinds(operation: Operation[Any, Any]) -> Iterator[Kind]:
    selector = next(filter(_selects, parts(operation.request_type)), None)
    if selector is not None and operation.streams:
        for value in selector.kind:
            yield Kind(str(value.value).replace("_", "-"), operation, value.doc, selector, value)
        return
    verb = operation.mutation.name.partition("_")[0]
    name = operation.name if verb == GENERATES else verb
    yield Kind(name, operation, operation.mutation.doc, selector)


def _selects(part: Part) -> bool:
    """Whether the field must be given and says what kind it is."""
    return part.required and isinstance(part.kind, type) and issubclass(part.kind, Described)
