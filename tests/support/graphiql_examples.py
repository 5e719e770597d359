"""GraphiQL's examples as its page reads them, with what their variables need."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from graphql import FieldNode, OperationDefinitionNode, parse

from tests.support.service import Service

TEXT = resources.files("app.console").joinpath("static/graphiql/examples.graphql").read_text()
START = """
mutation ($input: GenerateCharacterContentInput!) {
  startGeneration(input: { characterContent: $input }) { generation { id } }
}
"""
PERSONALITY = {
    "type": "PERSONALITY",
    "characterContext": {"characterClass": "bard", "characterRace": "gnome"},
}


@dataclass(frozen=True)
class Example:
    """One operation with its variables; `wants` has the names of all that it declares."""

    document: str
    variables: dict[str, Any]
    kind: str
    field: str
    wants: tuple[str, ...]


def read(block: str) -> Example:
    lines = block.strip().split("\n")
    end = next(i for i, line in enumerate(lines) if not line.startswith("#"))
    comment = [line[2:] for line in lines[:end]]
    begin = next((i for i, line in enumerate(comment) if line.startswith("{")), end)
    document = "\n".join(lines[end:])
    [operation] = parse(document).definitions
    assert isinstance(operation, OperationDefinitionNode)
    [field] = operation.selection_set.selections
    assert isinstance(field, FieldNode)
    return Example(
        document,
        json.loads("\n".join(comment[begin:]) or "{}"),
        operation.operation.value,
        field.name.value,
        tuple(v.variable.name.value for v in operation.variable_definitions or ()),
    )


EXAMPLES = [read(block) for block in TEXT.split("# ---\n")]


async def variables(found: Service, example: Example) -> dict[str, Any]:
    """The example's variables, with ids of what is written for them as the page has it written."""
    filled = dict(example.variables)
    if {"contentId", "nodeId"} & set(example.wants):
        content = await found.generate()
        node = "query ($id: ID!) { content(id: $id) { id } }"
        known = await found.data(node, {"id": content["contentId"]})
        filled |= {"contentId": content["contentId"], "nodeId": known["content"]["id"]}
    if "generationId" in example.wants:
        begun = await found.data(START, {"input": PERSONALITY})
        filled["generationId"] = begun["startGeneration"]["generation"]["id"]
    if "after" in example.wants:
        filled["after"] = (await found.data("{ eventCursor }"))["eventCursor"]
    return {name: value for name, value in filled.items() if name in example.wants}
