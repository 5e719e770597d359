"""`loregate serve` with faults of its own: exceptions that quote everything they were given.

A story's model call, an analysis's storing and a list of contents raise what nobody expects.
"""

from __future__ import annotations

from typing import Any

from app import server
from app.llm.fallback import Models
from app.observe import logs
from app.settings import Settings
from app.storage.store import Store


class Unexpected(Exception):
    """Quotes its arguments, as a library's exceptions do."""


def failing(method: Any, where: Any) -> Any:
    """The method, which fails where this holds of its arguments."""

    async def failed(self: Any, *args: Any, **kwargs: Any) -> Any:
        if where(*args):
            raise Unexpected(f"{args!r} {kwargs!r}") from ValueError(repr(args))
        return await method(self, *args, **kwargs)

    return failed


def app() -> Any:
    faulty: Any = Store
    faulty.add = failing(Store.add, lambda record, _: record.operation == "theme")
    faulty.page = failing(Store.page, lambda *_: True)
    models: Any = Models
    models.complete = failing(Models.complete, lambda _, work: work.operation.name == "story")
    return server.worker()


if __name__ == "__main__":
    settings = Settings.load()
    logs.configure(settings.log_level, settings.log_format)
    server.run(
        server.configuration("tests.attacks.failing_gateway:app", settings),
        server.listen(settings),
    )
