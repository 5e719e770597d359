"""Guard: proves identity, permission and limits before a root field runs.

The schema's assembly puts one on every root field. For queries and subscriptions it also spends,
once for the document; for an operation it opens the admission that `Gateway.run` spends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum
from inspect import isawaitable
from typing import Any

from strawberry.extensions import FieldExtension
from strawberry.types import Info as StrawberryInfo

from app.operations import Operation
from resolvers.context import Context


class Access(Enum):
    """Who may select a root field that needs no permission."""

    PUBLIC = "anybody, also without a token"
    AUTHENTICATED = "any authenticated caller"


Rule = Access | str | Operation[Any, Any]  # a string is a permission


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
        if self.rule is not Access.PUBLIC:
            permission = None if isinstance(self.rule, Access) else self.rule
            await context.gateway.allow(context.caller_visit, permission)
        # A subscription that goes on where it left off was counted when it began.
        resumed = kwargs.get("after") if info.operation.operation.value == "subscription" else None
        await self._charge(context, 0 if resumed else context.requests)

    @staticmethod
    async def _charge(context: Context, requests: int) -> None:
        """Once for all of the document's root fields; each of them awaits the one decision."""
        if context.visit is None:
            return
        if context.charge is None:
            counting = context.gateway.count(context.visit, requests)
            context.charge = asyncio.ensure_future(counting)
        await asyncio.shield(context.charge)
