"""Logs: one line an event, for people on a terminal and as JSON everywhere else."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

# Libraries that would say each request again, or name what stays private.
QUIET = ("aiosqlite", "alembic", "asyncio", "httpcore2", "httpx2", "openai", "sqlalchemy")


def configure(level: str = "info", form: str | None = None) -> None:
    """Send everything that is logged to standard error; `form` is console or json."""
    if form is None:
        form = "console" if sys.stderr.isatty() else "json"
    render: Any = (
        structlog.dev.ConsoleRenderer()
        if form == "console"
        else structlog.processors.JSONRenderer()
    )
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if form == "json":
        shared.append(structlog.processors.dict_tracebacks)
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
