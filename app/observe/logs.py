"""Logs: one line an event, for people on a terminal and as JSON everywhere else.

Nothing of a request's content comes here. An exception is told by its type and its place in the
code: its message may quote what a caller sent (a KeyError's always does), so it is shown only
where the level is debug, and the values of local variables never are.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

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

# What every record has; what else it has was given with it. uvicorn says its messages twice, the
# second time in colours.
OWN = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message"}

Line = dict[str, Any]
Render = Callable[[Line], str]
AS_JSON = json.JSONEncoder(default=repr).encode  # ASCII alone: no line of it can be two


def configure(level: str = "info", form: str | None = None) -> None:
    """Send everything that is logged to standard error; `form` is console or json."""
    if form is None:
        form = "console" if sys.stderr.isatty() else "json"
    handler = logging.StreamHandler()
    handler.setFormatter(Lines(_for_people() if form == "console" else AS_JSON, level == "debug"))
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


def _for_people() -> Render:
    import structlog  # here: with what it colours lines by it is 5 MB, which no server needs

    render = structlog.dev.ConsoleRenderer()
    return lambda line: str(render(None, line["level"], line))


class Lines(logging.Formatter):
    """A record as one line: what happened, and all facts that were given with it.

    `messages`: whether an exception's message is told.
    """

    def __init__(self, render: Render, messages: bool) -> None:
        super().__init__()
        self._render, self._messages = render, messages

    def format(self, record: logging.LogRecord) -> str:
        line: Line = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            **{name: value for name, value in vars(record).items() if name not in OWN},
            **spans.ids(),  # where traces are on: of which span it tells
        }
        if record.exc_info and record.exc_info[1] is not None:
            told = (self._described(error) for error in _chain(record.exc_info[1]))
            line["exception"] = "\n".join(told)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        line["timestamp"] = at.replace("+00:00", "Z")
        return self._render(line)

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
