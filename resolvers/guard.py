"""Guard: proves identity, permission and limits before a root field runs.

The schema's assembly puts one on every root field. For queries and subscriptions it also spends,
once for the document; for an operation it opens the admission that `Gateway.run` spends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from inspect import isawaitable
from typing import Any

from graphql import OperationType
from strawberry.extensions import FieldExtension
from strawberry.types import Info as StrawberryInfo

from app.gateway import Visit
from app.operations import Operation
from resolvers.context import Context


class Access(Enum):
    """Who may select a root field that needs no permission."""

    PUBLIC = "anybody, also without a token"
    AUTHENTICATED = "any authenticated caller"


@dataclass(frozen=True)
class Itself:
    """A field that counts for itself what it does, when the caller has the permission, if any."""

    permission: str | None = None


Rule = Access | str | Operation[Any, Any] | Itself  # a string is a permission


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
        await self._admit(info.context, info, kwargs)
        result = next_(source, info, **kwargs)
        return await result if isawaitable(result) else result

    async def _admit(
        self, context: Context, info: StrawberryInfo[Context, None], kwargs: dict[str, Any]
    ) -> None:
        if isinstance(self.rule, Operation):
            admission = await context.gateway.admit(context.caller_visit, self.rule)
            context.admissions[info.path.key] = admission
            return
        if isinstance(self.rule, Itself):
            await context.gateway.allow(context.caller_visit, self.rule.permission)
            return
        if info.operation.operation is OperationType.SUBSCRIPTION:
            context.resumed = bool(kwargs.get("after")) and self._is_met(context)
        if self.rule is not Access.PUBLIC or context.visit is not None:
            await self._charge(context, context.caller_visit)
        if isinstance(self.rule, str):
            context.caller_visit.caller.require(self.rule)

    def _is_met(self, context: Context) -> bool:
        return not isinstance(self.rule, str) or context.caller_visit.caller.may(self.rule)

    @staticmethod
    async def _charge(context: Context, visit: Visit) -> None:
        """Once for all of the document's root fields; each of them awaits the one decision."""
        if context.charge is None:
            requests = 0 if context.resumed else context.requests
            context.charge = asyncio.ensure_future(context.gateway.count(visit, requests))
        await asyncio.shield(context.charge)
