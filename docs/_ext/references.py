"""The references that are made from the code: Markdown for each, by its name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import reference_graphql
import typer

from app import cli
from app.errors import GatewayError
from app.events.asyncapi import asyncapi_document
from app.observe.metric_names import ALL, GENAI_LABELS
from app.rest.error_pages import EXPLAINED
from app.rest.openapi import openapi_document
from app.settings import Settings, TrustedList


def cell(text: object) -> str:
    """A text as a table's cell."""
    return " ".join(str(text).replace("|", "\\|").split())


def table(head: tuple[str, ...], rows: list[tuple[object, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(map(cell, line)) + " |" for line in lines) + "\n"


def json_block(value: Any) -> str:
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```\n"


# -- errors
def _classes(kind: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    for child in kind.__subclasses__():
        yield child
        yield from _classes(child)


def statuses() -> dict[str, list[int]]:
    """The HTTP statuses of each code."""
    for module in ("app.main", "resolvers.schema"):  # which define the errors of their own
        import_module(module)
    found: dict[str, set[int]] = {}
    for kind in _classes():
        found.setdefault(kind.code, set()).add(kind.status)
    return {code: sorted(some) for code, some in found.items()}


def errors() -> str:
    known = statuses()
    rows: list[tuple[object, ...]] = [
        (f"[`{code}`](#{code.lower()})", _listed(known.get(code, [])), told.title)
        for code, told in EXPLAINED.items()
    ]
    sections = [
        f"## {code}\n\n{told.title}. {told.meaning}\n\n**What to do:** {told.remedy}\n"
        for code, told in EXPLAINED.items()
    ]
    return "\n".join((table(("code", "status", "in short"), rows), *sections))


def _listed(values: list[int]) -> str:
    return ", ".join(map(str, values)) or "in streams only"


# -- settings
def settings() -> str:
    rows: list[tuple[object, ...]] = []
    for field in Settings.model_fields.values():
        if field.alias is None:
            continue
        schema = Settings.model_json_schema(by_alias=True)["properties"][field.alias]
        rows.append((f"`{field.alias}`", _kind(schema), _default(field.default)))
    return table(("variable", "takes", "default"), rows)


def _default(value: Any) -> str:
    if isinstance(value, TrustedList):
        return f"`{value.mode}`"
    return (
        "" if value in (None, ()) else f"`{'>'.join(value) if isinstance(value, tuple) else value}`"
    )


def _kind(schema: dict[str, Any]) -> str:
    """What a JSON schema takes, in words."""
    options = [s for s in schema.get("anyOf", [schema]) if s.get("type") != "null"]
    return " or ".join(dict.fromkeys(_one(s) for s in options))


WORDS = {
    "minimum": "from {}",
    "exclusiveMinimum": "above {}",
    "maximum": "to {}",
    "exclusiveMaximum": "below {}",
    "minLength": "of {} characters or more",
}


def _one(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{v}`" for v in schema["enum"])
    kind = schema.get("format", schema.get("type", "text"))
    if kind == "array":
        return f"list: {_kind(schema['items'])}" if "items" in schema else "list"
    names = {
        "string": "text",
        "password": "secret",
        "boolean": "`true` or `false`",
    }
    told = [words.format(schema[key]) for key, words in WORDS.items() if key in schema]
    kinds = [k for k in ([kind] if isinstance(kind, str) else kind) if k != "null"]
    return " ".join((" or ".join(names.get(k, k) for k in kinds), *told))


# -- the command line
def command_line() -> str:
    root = typer.main.get_command(cli.cli)
    context = typer.Context(root, info_name="loregate")
    return "\n".join(_commands(root, context))


def _commands(command: Any, context: Any) -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield _command(command, context)
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        yield from _commands(child, typer.Context(child, info_name=name, parent=context))


def _command(command: Any, context: Any) -> str:
    usage = " ".join(command.collect_usage_pieces(context))
    path = context.command_path
    said = f"## {path}\n\n{command.help}\n\n```text\n{path} {usage}\n```\n"
    rows: list[tuple[object, ...]] = [_option(p) for p in command.params if p.name != "help"]
    return f"{said}\n{table(('option', 'default', 'meaning'), rows)}" if rows else said


def _option(param: Any) -> tuple[object, ...]:
    names = ", ".join(f"`{n}`" for n in (*param.opts, *param.secondary_opts))
    default = "required" if param.required else param.default
    plain = default in (None, False, (), "") or callable(default)
    return names, "" if plain else f"{default}", getattr(param, "help", "") or ""


# -- metrics
def metrics() -> str:
    rows: list[tuple[object, ...]] = []
    for name in ALL:
        more = GENAI_LABELS[name.genai] if name.genai else ()
        labels = ", ".join(f"`{label}`" for label in (*name.labels, *more))
        rows.append((f"`{name.name}`", name.kind.value, labels, name.help))
    return table(("metric", "kind", "labels", "meaning"), sorted(rows, key=lambda r: str(r[0])))


# -- REST
def rest() -> str:
    document = openapi_document()
    found = []
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method, operation in item.items():
            if method != "parameters":
                found.append(_route(document, f"{method.upper()} {path}", shared, operation))
    return "\n".join(found)


def resolved(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """The node itself, or what it refers to within the document."""
    found: Any = document
    if "$ref" not in node:
        return node
    for key in node["$ref"].split("/")[1:]:
        found = found[key]
    return resolved(document, found)


def _route(
    document: dict[str, Any], title: str, shared: list[Any], operation: dict[str, Any]
) -> str:
    said = [f"## {title}\n", f"{operation['summary']}. {operation.get('description', '')}\n"]
    parameters = [resolved(document, p) for p in (*shared, *operation.get("parameters", []))]
    rows: list[tuple[object, ...]] = [
        (f"`{p['name']}`", p["in"], p.get("description", "")) for p in parameters
    ]
    if rows:
        said.append(table(("parameter", "in", "meaning"), rows))
    if body := operation.get("requestBody"):
        said.append(_body(document, body))
    answers: list[tuple[object, ...]] = [
        (status, resolved(document, answer)["description"])
        for status, answer in operation["responses"].items()
    ]
    said.append(table(("status", "meaning"), answers))
    return "\n".join(said)


def _body(document: dict[str, Any], body: dict[str, Any]) -> str:
    [media] = resolved(document, body)["content"].values()
    schema = resolved(document, media["schema"])
    required = schema.get("required", [])
    rows: list[tuple[object, ...]] = [
        (
            f"`{name}`{' (required)' if name in required else ''}",
            resolved(document, field)
            .get("description", field.get("description", ""))
            .split("\n")[0],
        )
        for name, field in schema.get("properties", {}).items()
    ]
    examples = [e["value"] for e in media.get("examples", {}).values()]
    example = media.get("example", examples[0] if examples else None)
    shown = f"\n{json_block(example)}" if example is not None else ""
    return f"{table(('field', 'meaning'), rows)}{shown}" if rows else shown


# -- events
def events() -> str:
    document = asyncapi_document()
    said = []
    for channel in document["channels"].values():
        said.append(f"## {channel['title']}: `{channel['address']}`\n\n{channel['description']}\n")
        for message in channel["messages"].values():
            payload = resolved(document, message["payload"])
            said.append(f"### {channel['title']}: {message['name']}\n\n{message['summary']}\n")
            said.append(_fields(payload))
            said.append(json_block(message["examples"][0]["payload"]))
    return "\n".join(said)


def _fields(schema: dict[str, Any], prefix: str = "") -> str:
    rows = list(_field_rows(schema, prefix))
    return table(("field", "takes", "meaning"), rows)


def _field_rows(schema: dict[str, Any], prefix: str) -> Iterator[tuple[object, ...]]:
    for name, field in schema.get("properties", {}).items():
        takes = f"`{field['const']}`" if "const" in field else _kind(field)
        yield (
            f"`{prefix}{name}`",
            takes,
            field.get("description", ""),
        )
        yield from _field_rows(field, f"{prefix}{name}.")


REFERENCES: dict[str, Callable[[], str]] = {
    "errors": errors,
    "settings": settings,
    "cli": command_line,
    "metrics": metrics,
    "rest": rest,
    "events": events,
    "graphql": reference_graphql.graphql,
}
