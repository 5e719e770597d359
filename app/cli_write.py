"""`loregate write`: every kind of content, with options made from its operation's fields."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, cast

import orjson
import typer
from typer.main import get_command

from app.cli_gateway import gateway
from app.errors import FieldError, InvalidRequest, SettingsError
from app.terminal import kinds, writing
from app.terminal.client import GatewayClient
from app.terminal.commands import LazyGroup
from app.terminal.failure import CommandFailed, wrong
from app.terminal.kinds import Kind
from app.terminal.options import (
    TEXT,
    Form,
    RequestOption,
    arguments,
    colon_fields,
    request_body,
    request_options,
)
from app.terminal.run import run
from app.terminal.screen import Screen

EXITS = (
    "Exit codes: 0 done, 1 a text failed its rules or a setting is wrong, 2 the request is wrong, "
    "3 no gateway, 4 the token, 5 a limit is full, 6 the models or the gateway failed, 130 Ctrl-C, "
    "which also cancels it at the gateway."
)
FIELDS = "What is wanted"  # the panel of options that stand in no object


class Kinds(LazyGroup):
    """A command a kind, each made when it is called."""

    def names(self) -> Iterable[str]:
        return kinds.kinds()

    def make(self, name: str) -> Any:
        match kinds.find(name):
            case []:
                raise KeyError(name)
            case [kind]:
                return command(kind)
            case several:
                raise typer.BadParameter(
                    f"'{name}' may be {' or '.join(kind.name for kind in several)}"
                )


cli = typer.Typer(cls=Kinds, no_args_is_help=True, add_completion=False)


@cli.callback(epilog=EXITS)
def write() -> None:
    """Write something: its text comes as it is written, on standard output.

    The gateway is the one at LOREGATE_URL, else the one that these settings would start.

    The token is LOREGATE_TOKEN, else one signed here.

    `loregate write KIND --help` shows a kind's options.
    """


def command(kind: Kind) -> Any:
    """The command of a kind."""
    selector = kind.selector.name if kind.selector else None
    options = request_options(kind.operation, selector)

    def written(**given: Any) -> None:
        _write(kind, options, given)

    parameters = [*_parameters(kind, options)]
    # What typer reads a command's options from.
    written.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    written.__annotations__ = {p.name: p.annotation for p in parameters}
    app = typer.Typer(add_completion=False)
    app.command(name=kind.name, help=_help(kind, options), epilog=EXITS)(written)
    found = get_command(app)
    found.rich_help_panel = kind.operation.title  # type: ignore[attr-defined]  # both kinds have it
    return found


# -- what it takes
def _parameters(kind: Kind, options: list[RequestOption]) -> Iterable[Parameter]:
    selector = kind.selector
    if selector is not None and kind.value is None:
        doc = selector.doc + "\n\n" + "\n\n".join(f"{v.value}: {v.doc}" for v in selector.kind)
        yield _parameter(
            selector.name,
            selector.kind | None,
            typer.Argument(help=doc, metavar=selector.name.upper()),
        )
    if TEXT in kind.operation.request_type.model_fields:
        what = "The text; `-`, or none in a pipe: standard input."
        yield _parameter(TEXT, str | None, typer.Argument(help=what, metavar="TEXT"))
        file = typer.Option("--file", "-f", help="A file with the text.")
        yield _parameter("text_file", Path | None, file)
    for option in options:
        yield _parameter(option.parameter, _type(option), _declared(option))
    whole = "A file with a request as REST takes it, `-` for standard input; options go over it."
    yield _parameter("request_file", Path | None, typer.Option("--input", help=whole))
    yield _parameter(
        "as_json", bool, typer.Option("--json", help="The whole answer as one JSON object."), False
    )
    said = "Into a pipe, too, as it is written; with --json its events, one a line."
    yield _parameter("stream", bool, typer.Option("--stream", help=said), False)


def _parameter(name: str, kind: Any, declared: Any, default: Any = None) -> Parameter:
    annotation = Annotated[kind, declared]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _type(option: RequestOption) -> Any:
    if option.form is Form.ONE:
        return option.kind | None
    return list[option.kind if option.form is Form.LIST else str] | None  # type: ignore[misc]


def _declared(option: RequestOption) -> Any:
    kinds_of = {Form.PAIRS: "KEY=VALUE", Form.LIST: None, Form.ONE: None}
    metavar, more = kinds_of.get(option.form), ""
    if option.form is Form.OBJECTS:
        metavar = ":".join(colon_fields(option.kind)).upper()
        more = " The last is optional; or JSON."
    if option.form is not Form.ONE:
        more += " May be repeated."
    if option.required and not option.open:
        more += " Needed."
    return typer.Option(
        option.name,
        help=option.doc + more,
        metavar=metavar,
        min=option.least,
        max=option.most,
        rich_help_panel=option.panel or FIELDS,
    )


def _help(kind: Kind, options: list[RequestOption]) -> str:
    return f"{kind.doc}\n\nSuch as:\n\n{example(kind, options)}"


def example(kind: Kind, options: list[RequestOption]) -> str:
    """The operation's example request as a command line."""
    request = kind.operation.example.request
    words = ["loregate", "write", kind.name]
    if kind.selector is not None and kind.value is None:
        words.append(str(request[kind.selector.name]))
    if TEXT in request:
        words.append(request[TEXT])
    return shlex.join([*words, *arguments(options, request)])


# -- what it does
def _write(kind: Kind, options: list[RequestOption], given: Mapping[str, Any]) -> None:
    screen = Screen(as_json=given["as_json"])

    async def work() -> int:
        try:
            body = request_of(kind, options, given)
            async with gateway(screen.say) as client:
                return await _shown(client, screen, kind, body, stream=given["stream"])
        except InvalidRequest as error:
            raise wrong(_named(error, kind, options)) from None
        except CommandFailed as failure:
            raise _renamed(failure, kind, options) from None

    run(screen, work())


async def _shown(
    client: GatewayClient, screen: Screen, kind: Kind, body: dict[str, Any], *, stream: bool
) -> int:
    if screen.as_json and stream:
        return await writing.stream_json(client, screen, kind.operation, body)
    if screen.as_json or not kind.operation.streams:
        return await writing.whole(client, screen, kind.operation, body)
    live = screen.live or stream
    return await writing.stream_text(client, screen, kind.operation, body, live=live)


def request_of(
    kind: Kind, options: list[RequestOption], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The request. Raises `InvalidRequest` for what the gateway would refuse, too."""
    base = _base(given["request_file"])
    if kind.selector is not None:
        chosen = kind.value or given.get(kind.selector.name)
        base = {**base, kind.selector.name: str(chosen)} if chosen else base
    if TEXT in given and (text := _text(given, base)) is not None:
        base = {**base, TEXT: text}
    body = request_body(options, given, base)
    kind.operation.read(body)
    return body


def _base(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = orjson.loads(_read(path))
    except orjson.JSONDecodeError as error:
        raise SettingsError(f"{path} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise SettingsError(f"{path} holds no JSON object")
    return cast(dict[str, Any], found)


def _text(given: Mapping[str, Any], base: Mapping[str, Any]) -> str | None:
    """The text to judge: an argument, a file's, or what comes by standard input."""
    text: str | None = given[TEXT]
    if given["text_file"] is not None:
        return _read(given["text_file"])
    if text == "-" or (text is None and TEXT not in base and not sys.stdin.isatty()):
        return _read(Path("-"))
    return text


def _read(path: Path) -> str:
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return data.decode().strip()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8") from None


def _named(error: InvalidRequest, kind: Kind, options: list[RequestOption]) -> InvalidRequest:
    """The same with the names that the command line has for its fields."""
    names = {option.path: option.name for option in options if not option.open}
    if kind.selector is not None:
        names[(kind.selector.name,)] = kind.selector.name.upper()
    names[(TEXT,)] = "TEXT"

    def named(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
        for length in range(len(path), 0, -1):
            if (found := names.get(cast(Any, path[:length]))) is not None:
                return (found, *path[length:])
        return path

    return InvalidRequest([FieldError(named(e.path), e.error) for e in error.errors])


def _renamed(failure: CommandFailed, kind: Kind, options: list[RequestOption]) -> CommandFailed:
    """The same for what the gateway found wrong, by the first field that it names."""
    field = failure.details.get("field")
    if failure.code == InvalidRequest.code and isinstance(field, str) and field:
        there = InvalidRequest.at(tuple(field.split(".")), "")
        shown = _named(there, kind, options).errors[0].field
        failure.message = failure.message.replace(field, shown, 1)
    return failure
