"""Make this collection from the OpenAPI document and GraphiQL's examples.

`python examples/bruno/generate.py` writes it, with `--check` it says whether it is current (exit
code 1 when not). Runs in the gateway's environment. The format: https://docs.usebruno.com/bru-lang.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graphql import parse

from app.rest.openapi import openapi_document

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "app" / "console" / "static" / "graphiql" / "examples.graphql"
STREAM = "text/event-stream"
INDENT = "  "

# What the OpenAPI document does not name: documents and pages.
PAGES = {
    "readOpenapi": ("/api/v2/openapi.json", "This gateway's REST, as OpenAPI 3.1"),
    "readAsyncapi": ("/api/v2/asyncapi.json", "This gateway's events, as AsyncAPI 3.1"),
    "readDocs": ("/api/v2/docs", "The page to read and try REST"),
    "readErrors": ("/api/v2/errors", "What each error's code means"),
    "readError": ("/api/v2/errors/RATE_LIMIT_EXCEEDED", "What one error's code means"),
}
# What is asked after everything else, since it takes something away.
LAST = ("cancelGeneration", "deleteContent")
# Subscriptions that end by themselves; Bruno waits for an answer's end, and the others have none.
ENDING = ("generation",)
# What later requests need of an answer, by the request that gives it.
REST_KEEPS = {
    "generateCharacterContent": 'bru.setVar("content_id", res.getBody().content_id);',
    "generateCharacterContentStream": (
        'bru.setVar("generation_id", res.getHeader("x-generation-id"));'
    ),
}
GRAPHQL_KEEPS = {
    "generateCharacterContent": (
        "const { id, contentId } = res.getBody().data.generateCharacterContent.content;\n"
        'bru.setVar("nodeId", id);\n'
        'bru.setVar("contentId", contentId);'
    ),
    "startGeneration": (
        'bru.setVar("generationId", res.getBody().data.startGeneration.generation.id);'
    ),
}


@dataclass
class Request:
    """One of the collection's requests."""

    file: str
    name: str
    kind: str  # http or graphql
    method: str
    path: str
    about: str
    expects: dict[str, str]
    body: list[tuple[str, str]] = field(default_factory=list)  # the blocks' names and texts
    headers: dict[str, str] = field(default_factory=dict)
    keeps: str | None = None
    auth: str = "inherit"

    def text(self, number: int) -> str:
        body = self.body[0][0].removeprefix("body:") if self.body else "none"
        blocks = [
            ("meta", f"name: {self.name}\ntype: {self.kind}\nseq: {number}"),
            (self.method, f"url: {{{{url}}}}{self.path}\nbody: {body}\nauth: {self.auth}"),
            ("headers", lines(self.headers)),
            *self.body,
            ("assert", lines(self.expects)),
            ("script:post-response", self.keeps or ""),
            ("docs", self.about),
        ]
        return "\n".join(block(name, inner) for name, inner in blocks if inner)


def lines(pairs: dict[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in pairs.items())


def block(name: str, inner: str) -> str:
    indented = "\n".join(f"{INDENT}{line}".rstrip() for line in inner.splitlines())
    return f"{name} {{\n{indented}\n}}\n"


# -- REST
def rest_requests() -> Iterator[Request]:
    """What the OpenAPI document has, in its order but for what is asked last."""
    found = [
        rest_request(path, method, operation)
        for path, methods in openapi_document()["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    ]
    yield from sorted(found, key=lambda request: request.file in LAST)
    for name, (path, about) in PAGES.items():
        yield Request(name, about, "http", "get", path, f"{about}.", ok(200), auth="none")


def rest_request(path: str, method: str, operation: dict[str, Any]) -> Request:
    status, answer = next((s, a) for s, a in operation["responses"].items() if s < "300")
    streams, name = STREAM in answer.get("content", {}), operation["operationId"]
    request = Request(
        name,
        operation["summary"],
        "http",
        method,
        path.replace("{", "{{").replace("}", "}}"),
        operation["description"],
        ok(int(status)),
        keeps=REST_KEEPS.get(name),
        auth="none" if operation.get("security") == [] else "inherit",
    )
    if "requestBody" in operation:
        example = operation["requestBody"]["content"]["application/json"]["example"]
        request.body = [("body:json", json.dumps(example, indent=2, ensure_ascii=False))]
    if streams:
        request.headers["Accept"] = STREAM
        request.expects["res.headers['content-type']"] = f"contains {STREAM}"
    if name == "subscribeToEvents":
        request.method = "head"
        request.about += (
            "\n\nBruno waits for an answer's end, so this asks for its head alone. "
            "To watch events: "
            '`curl -N "$LOREGATE_URL/api/v2/events" -H "Authorization: Bearer $TOKEN"`.'
        )
    return request


def ok(status: int) -> dict[str, str]:
    return {"res.status": f"eq {status}"}


# -- GraphQL
def graphql_requests() -> Iterator[Request]:
    """GraphiQL's examples: what makes something first, what takes it away last."""
    texts = re.split(r"^# ---\n", EXAMPLES.read_text(), flags=re.MULTILINE)
    found = [graphql_request(text) for text in texts]
    kinds = ("mutation", "query", "subscription")

    def place(asked: tuple[str, str, Request]) -> tuple[bool, int]:
        kind, name, _ = asked
        return name in LAST, kinds.index(kind)

    for kind, name, request in sorted(found, key=place):
        if kind != "subscription" or name in ENDING:
            yield request


def graphql_request(text: str) -> tuple[str, str, Request]:
    """Its kind, its root field, and the request."""
    [comment, document] = re.fullmatch(r"((?:#[^\n]*\n)+)(.*)", text, re.S).groups()
    about, _, given = re.sub(r"^# ?", "", comment, flags=re.M).partition("\n\n")
    operation: Any = parse(document).definitions[0]
    kind, root = operation.operation.value, operation.selection_set.selections[0].name.value
    variables = json.loads(given) if given.strip() else {}
    for wanted in operation.variable_definitions or ():
        name = wanted.variable.name.value
        if name not in variables:
            variables[name] = f"{{{{{name}}}}}"
    return (
        kind,
        root,
        Request(
            f"{root}Subscription" if kind == "subscription" else root,
            root if kind != "subscription" else f"{root} (subscription)",
            "graphql",
            "post",
            "/graphql",
            " ".join(about.split()),
            graphql_expects(kind, root),
            [
                ("body:graphql", document.strip()),
                ("body:graphql:vars", json.dumps(variables, indent=2, ensure_ascii=False)),
            ],
            {"Accept": STREAM} if kind == "subscription" else {},
            GRAPHQL_KEEPS.get(root) if kind == "mutation" else None,
        ),
    )


def graphql_expects(kind: str, root: str) -> dict[str, str]:
    """Not null: what does not exist is no error."""
    if kind == "subscription":
        return {**ok(200), "res.body": "contains GenerationCompleted"}
    value = f"res.body.data.{root}{'[0]' if root == 'nodes' else ''}"
    return {**ok(200), "res.body.errors": "isUndefined", value: "neq null"}


# -- the files
def files() -> dict[Path, str]:
    """What the collection consists of."""
    found = {
        "bruno.json": json.dumps(COLLECTION, indent=2) + "\n",
        "collection.bru": "\n".join(
            (
                block("auth", "mode: bearer"),
                block("auth:bearer", "token: {{token}}"),
                block("docs", ABOUT),
            )
        ),
        "environments/local.bru": block(
            "vars", "url: {{process.env.LOREGATE_URL}}\ntoken: {{process.env.TOKEN}}"
        ),
        **folder("REST", 1, rest_requests()),
        **folder("GraphQL", 2, graphql_requests()),
    }
    return {HERE / name: text for name, text in found.items()}


def folder(name: str, place: int, requests: Iterator[Request]) -> dict[str, str]:
    found = {f"{name}/folder.bru": block("meta", f"name: {name}\nseq: {place}")}
    for number, request in enumerate(requests, 1):
        found[f"{name}/{request.file}.bru"] = request.text(number)
    return found


COLLECTION = {"version": "1", "name": "Loregate", "type": "collection", "ignore": ["node_modules"]}
ABOUT = """\
Every route of REST v2, and every root field of GraphQL that has an answer with an end. In their
order all of them succeed: what is read was made before, and is deleted at the end.

In Bruno: open this folder as a collection, choose the environment `local`. At the terminal, in this
folder:

    export LOREGATE_URL=http://127.0.0.1:8100
    export TOKEN=…
    npx @usebruno/cli run -r --env local

Made by generate.py from the OpenAPI document and GraphiQL's examples."""


def main() -> None:
    made = files()
    there = {p for p in HERE.rglob("*") if p.suffix in (".bru", ".json")}
    gone = there - made.keys()
    stale = [p for p, text in made.items() if p not in there or p.read_text() != text]
    if "--check" in sys.argv and (stale or gone):
        names = ", ".join(sorted(p.name for p in {*stale, *gone}))
        sys.exit(f"not current, run `python examples/bruno/generate.py`: {names}")
    for path in gone:
        path.unlink()
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(made[path])


if __name__ == "__main__":
    main()
