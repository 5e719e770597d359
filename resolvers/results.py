"""The results: a GraphQL type for each operation's answer, made of the answer's own fields."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any, TypeAlias, get_args, get_origin

import strawberry

from app.operations import OPERATIONS
from app.operations.descriptions import Children, Described, Listed, Part, parts, shown
from app.operations.fields import Answer, ContentType
from resolvers.complexity import MAX_CHILDREN
from resolvers.derived import SCALARS, bare, made, optional_of, typed
from resolvers.node import CONTENT, global_id
from resolvers.types import ChildrenOf, Content, Metadata, described

Read: TypeAlias = Callable[[Any], Any]  # a JSON value as GraphQL's
RENAMED = {"content": "text"}  # beside `contentId` and `contentType` prose is no `content`


async def _children(self: Content, info: strawberry.Info) -> list[strawberry.ID]:
    asked = ChildrenOf(str(self.content_id), first=MAX_CHILDREN, whole=False)
    children: list[Content] = await info.context.children.load(asked)
    return [child.content_id for child in children if isinstance(child, type(self))]


# What every content has, from its answer.
COMMON: dict[str, Read] = {
    "id": lambda answer: global_id(CONTENT, answer["content_id"]),
    "content_id": lambda answer: strawberry.ID(answer["content_id"]),
    "content_type": lambda answer: ContentType(answer["metadata"]["content_type"]),
    "created_at": lambda answer: datetime.fromisoformat(answer["metadata"]["created_at"]),
    "metadata": lambda answer: Metadata.of(answer["metadata"]),
}
# The same from its record, and what else its columns tell.
COLUMNS: dict[str, Read] = {
    "id": lambda record: global_id(CONTENT, record.content_id),
    "content_id": lambda record: strawberry.ID(record.content_id),
    "content_type": lambda record: ContentType(record.content_type),
    "created_at": lambda record: record.created_at,
    "parent_content_id": lambda record: record.parent_id,
    "parent_element_id": lambda record: record.parent_id,
}


@cache
def _object(model: Any) -> tuple[type, Read]:
    """The type of an object within an answer, and what reads one."""
    return _derived(model, parts(model))


@cache
def _result(model: type[Answer]) -> tuple[type[Content], Read]:
    """The type of an answer, and what reads one."""
    own = [part for part in parts(model) if part.name not in Answer.model_fields]
    return _derived(model, own, Content)


def _derived(model: type, own: list[Part], *bases: type) -> tuple[type, Read]:
    members = {RENAMED.get(part.name, part.name): _member(part) for part in own}
    said = shown(model)
    kind: Any = strawberry.type(made(said.name, members, *bases), description=said.doc)
    reads = {
        RENAMED.get(part.name, part.name): _stored(part)
        for part in own
        if not isinstance(part.mark, Children)
    }
    kind.__getattr__ = _lazy({**(COMMON if bases else {}), **reads})

    def read(answer: dict[str, Any]) -> Any:
        found = kind.__new__(kind)
        found._answer = answer
        return found

    return kind, read


def _stored(part: Part) -> Read:
    """What reads this field from an answer."""
    reader, key, required = _reader(part), part.name, part.required

    def read(answer: dict[str, Any]) -> Any:
        value = answer[key] if required else answer.get(key)
        return value if reader is None else reader(value)

    return read


def _lazy(reads: dict[str, Read]) -> Callable[[Any, str], Any]:
    """Reads a field when it is first asked for: of most answers a document wants a few."""

    def read(self: Any, name: str) -> Any:
        if name not in reads:
            raise AttributeError(name)
        record = self.__dict__.get("_record")
        if record is not None and name in COLUMNS:
            found = COLUMNS[name](record)
        else:
            found = reads[name](self._answer)
        setattr(self, name, found)
        return found

    return read


def _member(part: Part) -> tuple[Any, Any]:
    """A field's type and its description."""
    if isinstance(part.mark, Children):
        return list[strawberry.ID], strawberry.field(resolver=_children, description=part.doc)
    if isinstance(part.mark, Listed):
        return list[_object(part.mark.pair)[0]], described(part.doc)  # type: ignore[misc]  # a type made at run time
    return typed(part.kind, lambda model: _object(model)[0]), described(part.doc)


def _reader(part: Part) -> Read | None:
    if not isinstance(part.mark, Listed):
        return _read(part.kind)
    kind: Any = _object(part.mark.pair)[0]
    key, value = (p.name for p in parts(part.mark.pair))
    return lambda mapping: [kind(**{key: k, value: v}) for k, v in mapping.items()]


def _read(kind: Any) -> Read | None:
    """What reads a value of this type; None where it is what it is."""
    kind = bare(kind)
    if inner := optional_of(kind):
        some = _read(inner)
        return some and (lambda value: None if value is None else some(value))
    if get_origin(kind) is list:
        each = _read(get_args(kind)[0])
        return each and (lambda values: [each(value) for value in values])
    if kind in SCALARS:
        return None
    return kind if issubclass(kind, Described) else _object(kind)[1]


# The type of each operation's result, by the operation's name.
RESULTS = {name: _result(o.answer_type)[0] for name, o in OPERATIONS.items()}
_READ = {name: _result(o.answer_type)[1] for name, o in OPERATIONS.items()}


def content_of(operation: str, answer: dict[str, Any]) -> Content:
    """An answer as its type."""
    found: Content = _READ[operation](answer)
    found.continues = answer.get("parent_content_id") or answer.get("parent_element_id")
    return found


def stored_content(record: Any) -> Content:
    """A stored record as its type; of one without its answer the fields of its columns alone."""
    found: Any = _READ[record.operation](record.answer)
    found._record, found.continues = record, record.parent_id
    return found  # type: ignore[no-any-return]
