"""BatchRequest: one operation of a batch."""

from __future__ import annotations

from typing import Any

import strawberry

from app.operations import OPERATIONS, Operation
from app.pipeline.gateway import Asked
from resolvers.derived import made
from resolvers.inputs import INPUTS, directives, optional, raw

MEMBERS = {operation.mutation.member[0]: operation for operation in OPERATIONS.values()}


def _member(operation: Operation[Any, Any]) -> tuple[Any, Any]:
    return INPUTS[operation.name] | None, optional(operation.mutation.member[1])


_Members: Any = strawberry.input(
    made("OneOperation", {name: _member(operation) for name, operation in MEMBERS.items()})
)


@strawberry.input(one_of=True, description="One operation of a batch: exactly one field is given.")
class BatchRequest(_Members):  # type: ignore[misc]  # made at run time, a field for each operation
    pass


def chosen(request: BatchRequest) -> Asked:
    """The operation that was given, and what is asked of it."""
    given = ((operation, getattr(request, name)) for name, operation in MEMBERS.items())
    operation, value = next(one for one in given if one[1] not in (None, strawberry.UNSET))
    return Asked(operation, raw(value), lambda: directives(value))
