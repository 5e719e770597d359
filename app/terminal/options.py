"""Options of the command line, made from the fields of an operation's request.

The fields of an object are options of their own: `--class` is `character_context.character_class`.
A name that two objects have goes with the object's first word: `--current-tone`, `--target-tone`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

import orjson
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from typing_extensions import Doc

from app.errors import InvalidRequest
from app.operations.descriptions import Described
from app.operations.fields import OpenObject, Theme
from app.operations.operation import Operation

TEXT = "content"  # the field of a text to judge, which is an argument, a file or standard input
PANELS = {"theme": "How it should feel", "model": "Which model writes"}  # by the object's field
ENORMOUS = 2**53  # a bound behind which nobody needs to be told of it


class Form(Enum):
    """How values are written: one, a switch, repeated, `KEY=VALUE` repeated, objects repeated."""

    ONE = auto()
    LIST = auto()
    PAIRS = auto()
    OBJECTS = auto()


@dataclass(frozen=True, slots=True)
class RequestOption:
    """One option. `path` is where its value stands in the request; `kind` the type of one value.

    `open`: its pairs are further keys of the object at `path`.
    """

    name: str
    path: tuple[str, ...]
    form: Form
    kind: Any
    doc: str
    required: bool
    panel: str | None
    least: float | None = None
    most: float | None = None
    open: bool = False

    @property
    def parameter(self) -> str:
        """A name for Python."""
        return "_".join((*self.path, "further")) if self.open else "_".join(self.path)


def request_options(operation: Operation[Any, Any], without: str | None) -> list[RequestOption]:
    """All fields of its requests but `without` and the text, in their order."""
    found = [
        option
        for name, field in operation.request_type.model_fields.items()
        if name not in (without, TEXT)
        for option in _options(operation, name, field)
    ]
    shared = Counter(option.name for option in found)
    return [_qualified(option) if shared[option.name] > 1 else option for option in found]


def _qualified(option: RequestOption) -> RequestOption:
    """Of two with one name the one that stands in an object takes the object's first word."""
    if len(option.path) < 2:
        return option
    name = f"--{option.path[0].partition('_')[0]}-{option.name.removeprefix('--')}"
    return _replaced(option, name=name)


def _replaced(option: RequestOption, **changed: Any) -> RequestOption:
    values = {n: getattr(option, n) for n in RequestOption.__slots__}
    return RequestOption(**(values | changed))


def _options(
    operation: Operation[Any, Any], name: str, field: FieldInfo
) -> Iterator[RequestOption]:
    kind = _core(field.annotation)
    if not (isinstance(kind, type) and issubclass(kind, BaseModel)):
        shown = "--parent" if name == operation.parent_field else _flag(name)
        yield _option(shown, (name,), field, None)
        return
    panel = PANELS.get(name, name.replace("_", " ").capitalize())
    for part, inner in kind.model_fields.items():
        yield _option(_name(name, part), (name, part), inner, panel)
    if issubclass(kind, OpenObject) and kind is not Theme:
        doc = "Anything else about it, as `sworn_enemy=Vexis`."
        required = field.is_required()
        yield RequestOption("--set", (name,), Form.PAIRS, str, doc, required, panel, open=True)


def _name(holder: str, part: str) -> str:
    """`--class` for `character_class` of `character_context`, `--model` for a model's name."""
    if part == "name":
        return _flag(holder)
    return _flag(part.removeprefix(f"{holder.partition('_')[0]}_"))


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _option(name: str, path: tuple[str, ...], field: FieldInfo, panel: str | None) -> RequestOption:
    form, kind = _form(_core(field.annotation))
    if form is not Form.ONE:  # given one by one
        name = name.removesuffix("s")
    marks = [*field.metadata, *_marks(field.annotation)]
    docs = [m.documentation for m in field.metadata if isinstance(m, Doc)]
    return RequestOption(
        name,
        path,
        form,
        kind,
        field.description or (docs[-1] if docs else ""),
        field.is_required(),
        panel,
        least=_bound(marks, "ge"),
        most=_bound(marks, "le"),
    )


def _form(kind: Any) -> tuple[Form, Any]:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is dict:
        return Form.PAIRS, _core(inner[1])
    if origin is list:
        item = _core(inner[0])
        objects = isinstance(item, type) and issubclass(item, BaseModel)
        return (Form.OBJECTS if objects else Form.LIST), item
    return Form.ONE, kind


def _core(annotation: Any) -> Any:
    """A type without what is annotated to it, and without None."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, UnionType):
            annotation = next(a for a in get_args(annotation) if a is not type(None))
        else:
            return annotation


def _marks(annotation: Any) -> Iterator[Any]:
    """What is annotated to a type, or to one that it may be."""
    if get_origin(annotation) is Annotated:
        inner, *marks = get_args(annotation)
        for mark in marks:
            yield from mark.metadata if isinstance(mark, FieldInfo) else [mark]
        yield from _marks(inner)
    elif get_origin(annotation) in (Union, UnionType):
        for inner in get_args(annotation):
            yield from _marks(inner)


def _bound(marks: Sequence[Any], name: str) -> float | None:
    bound = next((b for m in marks if (b := getattr(m, name, None)) is not None), None)
    return bound if bound is not None and abs(bound) < ENORMOUS else None


# -- a request from options
def request_body(
    options: Sequence[RequestOption], given: Mapping[str, Any], base: Mapping[str, Any]
) -> dict[str, Any]:
    """The request as JSON has it: `base`, with the given options over it.

    Raises:
        InvalidRequest: a pair without `=`, or an object that cannot be read.
    """
    body: dict[str, Any] = {**base}
    for option in options:
        value = given.get(option.parameter)
        if value is None or value == []:
            continue
        place = body
        for step in option.path if option.open else option.path[:-1]:
            place[step] = {**(place.get(step) or {})}
            place = place[step]
        if option.open:
            place.update(_value(option, value))
        else:
            place[option.path[-1]] = _value(option, value)
    for option in options:  # an object that must be there may be empty
        if option.open and option.required:
            body.setdefault(option.path[0], {})
    return body


def _value(option: RequestOption, value: Any) -> Any:
    if option.form is Form.PAIRS:
        return dict(_pair(option, text) for text in value)
    if option.form is Form.OBJECTS:
        return [_object(option, text) for text in value]
    if option.form is Form.LIST:
        return [_plain(item) for item in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Described | UUID) else value


def _pair(option: RequestOption, text: str) -> tuple[str, Any]:
    key, found, value = text.partition("=")
    if not found or not key:
        raise InvalidRequest.at((option.name,), f"KEY=VALUE is wanted, not {text!r}")
    return key, value if option.kind is str else _json(value)


def _json(text: str) -> Any:
    """A value that may be of any kind: JSON where it is some, else the text itself."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def _object(option: RequestOption, text: str) -> dict[str, Any]:
    """JSON, or its required fields and its description between colons."""
    if text.startswith("{"):
        found = _json(text)
        if not isinstance(found, dict):
            raise InvalidRequest.at((option.name,), f"no JSON: {text!r}")
        return found
    return dict(zip(colon_fields(option.kind), map(str.strip, text.split(":", 2)), strict=False))


def colon_fields(kind: type[BaseModel]) -> list[str]:
    """The fields that an object's short form names."""
    fields = kind.model_fields
    return [n for n, f in fields.items() if f.is_required() or n == "description"]


# -- options from a request
def arguments(options: Sequence[RequestOption], request: Mapping[str, Any]) -> list[str]:
    """The words of a command line that make this request."""
    return [word for option in options for word in _words(option, options, request)]


def _words(
    option: RequestOption, options: Sequence[RequestOption], request: Mapping[str, Any]
) -> Iterator[str]:
    value: Any = request
    for step in option.path:
        if not isinstance(value, Mapping) or step not in value:
            return
        value = value[step]
    if option.open:
        known = {o.path[-1] for o in options if o.path[:-1] == option.path}
        value = {k: v for k, v in value.items() if k not in known}
    for text in _texts(option, value):
        yield option.name
        yield text


def _texts(option: RequestOption, value: Any) -> list[str]:
    if option.form is Form.PAIRS:
        pairs = (
            (k, v if isinstance(v, str) else orjson.dumps(v).decode()) for k, v in value.items()
        )
        return [f"{k}={v}" for k, v in pairs]
    if option.form is Form.OBJECTS:
        return [orjson.dumps(item).decode() for item in value]
    if option.form is Form.LIST:
        return [str(item) for item in value]
    return [str(value)]
