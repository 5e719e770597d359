"""What follows from an operation's declaration beside its GraphQL types and its route."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from app.caller import PERMISSIONS
from app.operations import OPERATIONS, Operation
from app.policies.limits import DEFAULT_LIMITS
from app.storyteller.storyteller import COMPOSERS
from resolvers.errors import camel

PERMISSIONS_PAGE = Path(__file__).parents[2] / "docs" / "guides" / "security.md"
EVERY = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda o: o.name)


@EVERY
def test_its_permission_its_limit_and_its_composer_are_there(
    operation: Operation[Any, Any],
) -> None:
    assert operation.permission in PERMISSIONS
    assert f"operation:{operation.limit}" in {limit.scope for limit in DEFAULT_LIMITS}
    assert operation.name in COMPOSERS


@EVERY
def test_the_security_guide_names_it_beside_its_permission(operation: Operation[Any, Any]) -> None:
    text = PERMISSIONS_PAGE.read_text()
    [allows] = re.findall(rf"^\| `{operation.permission}` \| (.+) \|$", text, re.M)
    assert f"`{camel(operation.mutation.name)}`" in allows
    first, last = f"POST {operation.path}`", f"`…/{operation.path.split('/', 3)[3]}`"
    assert first in allows or last in allows or f"`…/{operation.path.split('/')[-1]}`" in allows


@EVERY
def test_each_version_of_its_prompt_is_another_text_without_the_callers_words(
    operation: Operation[Any, Any],
) -> None:
    request = operation.read(operation.example.request)
    asked = [operation.prompt(request, version=version) for version in operation.versions]
    assert [prompt.version for prompt in asked] == list(operation.versions)
    tasks = [prompt.messages[1]["content"].partition("<request>")[0] for prompt in asked]
    assert len(set(tasks)) == len(tasks)
    assert operation.prompt(request).version == operation.version


def test_there_is_an_operation_whose_prompt_can_be_tried_in_two_versions() -> None:
    assert OPERATIONS["character"].versions == (1, 2)
