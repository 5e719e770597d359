"""Guard: proves identity and permission before a root field runs.

The schema's assembly puts one on every root field. What a query reads is charged here, once for the
document; what a mutation or a subscription does, the pipeline charges.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from inspect import isawaitable
from typing import Any

from strawberry.extensions import FieldExtension
from strawberry.types import Info as StrawberryInfo
from strawberry.types.field import StrawberryField

from resolvers.context import Context


class Access(Enum):
    """Who may select a root field that needs no permission."""

    PUBLIC = "anybody, also without a token"
    AUTHENTICATED = "any authenticated caller"


@dataclass(frozen=True)
class Charges:
    """A field whose call to the pipeline is charged for what it does, given the permission."""

    permission: str | None = None


Rule = Access | str | Charges  # a string is a permission


class Guard(FieldExtension):
    """Lets a root field run when its rule is met."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    async def resolve_async(
        self,
        next_: Callable[..., Awaitable[Any]],
        source: Any,
        info: StrawberryInfo[Context, None],
        **kwargs: Any,
    ) -> Any:
        await self.admit(info.context)
        result = next_(source, info, **kwargs)
        return await result if isawaitable(result) else result

    async def admit(self, context: Context) -> None:
        """Returns where the rule is met, and raises what it is not met for."""
        if isinstance(self.rule, Charges):
            await context.authenticated.require(self.rule.permission)
        elif isinstance(self.rule, str):
            await context.authenticated.authorize(self.rule)
        elif self.rule is not Access.PUBLIC or context.request is not None:
            await context.authenticated.authorize()


def guard_of(field: StrawberryField) -> tuple[Guard, list[FieldExtension]]:
    """The guard of a root field, and what else is around it. Raises `LookupError` without one."""
    guards = [one for one in field.extensions if isinstance(one, Guard)]
    if len(guards) != 1:
        raise LookupError(f"{field.python_name} has no guard")
    return guards[0], [one for one in field.extensions if one is not guards[0]]
