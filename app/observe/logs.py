"""Logs: one line an event, for people on a terminal and as JSON everywhere else.

Nothing of a request's content comes here. An exception is told by its type and its place in the
code: its message may quote what a caller sent (a KeyError's always does), so it is shown only
where the level is debug, and the values of local variables never are.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import structlog

from app import spans

# Libraries that would say each request again, or name what stays private.
QUIET = (
    "uvicorn.error",
    "aiosqlite",
    "alembic",
    "asyncio",
    "httpcore2",
    "httpx2",
    "openai",
    "opentelemetry",
    "sqlalchemy",
    "urllib3",
)
# What uvicorn logs as an error with its traceback though a client's bytes alone are wrong.
CLIENTS_FAULTS = ("Invalid UTF-8 sequence received from client.",)
MAX_CHAIN = 10  # exceptions of a chain that are told

Line = dict[str, Any]


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
        _plain,
        _traced,
        _Exceptions(messages=level == "debug"),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
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
    logging.captureWarnings(True)  # Python writes two lines of its own otherwise
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # At debug it writes out every frame of a WebSocket: tokens, and users' texts.
    logging.getLogger("uvicorn.error").setLevel(max(logging.INFO, root.level))
    logging.getLogger("uvicorn.error").addFilter(_is_ours)
    logging.getLogger("uvicorn.error").addFilter(_without_query)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        # Its access lines show the query string, which may be a whole document; ours do not.
        logger.propagate = name != "uvicorn.access"


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a client could not fill the log with it."""
    return record.msg not in CLIENTS_FAULTS


def _without_query(record: logging.LogRecord) -> bool:
    """uvicorn tells of each handshake by its whole address: a token may stand behind the `?`."""
    if "WebSocket" in str(record.msg) and isinstance(record.args, tuple):
        record.args = tuple(a.partition("?")[0] if isinstance(a, str) else a for a in record.args)
    return True


def _plain(_logger: Any, _name: str, line: Line) -> Line:
    """uvicorn says its messages twice, the second time in colours."""
    line.pop("color_message", None)
    return line


def _traced(_logger: Any, _name: str, line: Line) -> Line:
    """Where traces are on: of which span a line tells."""
    line.update(spans.ids())
    return line


class _Exceptions:
    """Puts an exception into a line as text: where it came from, and what kind it is."""

    def __init__(self, *, messages: bool) -> None:
        self._messages = messages

    def __call__(self, _logger: Any, _name: str, line: Line) -> Line:
        given = line.pop("exc_info", None)
        error = given[1] if isinstance(given, tuple) else given
        if isinstance(error, BaseException):
            line["exception"] = "\n".join(self._described(e) for e in _chain(error))
        return line

    def _described(self, error: BaseException) -> str:
        frames = traceback.format_list(traceback.extract_tb(error.__traceback__))
        kind = f"{type(error).__module__}.{type(error).__qualname__}"
        return "".join(frames) + (f"{kind}: {error}" if self._messages else kind)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The exception, what caused it, and so on."""
    for _ in range(MAX_CHAIN):
        if error is None:
            return
        yield error
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)
