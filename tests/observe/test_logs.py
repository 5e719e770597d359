"""Logs: what is told, and what never is: tokens, keys, prompts, what callers or models wrote."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from app.observe import logs
from tests.support import service
from tests.support.marked_requests import KEY, MARK, Broken, everything, marked
from tests.support.replaced import replaced
from tests.support.rest_bodies import GOOD, TEXT
from tests.support.service import CHARACTER_INPUT, GENERATE, PROTOCOL, SECRET, Service
from tests.support.upstream import Upstream


@contextlib.contextmanager
def written(level: str, form: str) -> Iterator[io.StringIO]:
    """Everything that is logged meanwhile, as it would stand on standard error."""
    root = logging.getLogger()
    before, was, text = root.handlers[:], root.level, io.StringIO()
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    try:
        with contextlib.redirect_stderr(text):
            logs.configure(level, form)
        yield text
    finally:
        root.handlers[:] = before
        root.setLevel(was)
        for name, found in levels.items():
            logging.getLogger(name).setLevel(found)


def lines(text: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.getvalue().splitlines()]


async def test_a_whole_run_tells_no_token_key_prompt_or_text(
    tmp_path: Path, redis_url: str, provider: Upstream
) -> None:
    given = service.settings(
        tmp_path,
        redis_url,
        openai_base_url=provider.url,
        cache_ttl=0,  # each failure reaches its own request: nothing comes from the cache
    ).model_copy(update={"model_keys": {"OPENAI_API_KEY": SecretStr(KEY)}})
    with written("info", "json") as text:
        async with service.running(given) as found:
            token = found.headers()["Authorization"].split()[1]
            await everything(found, provider)
            with replaced(found.gateway.models, choose=Broken().choose):
                for path, body in marked().items():
                    assert (await found.post(path, body)).status_code == 500
                await found.graphql(GENERATE, {"input": CHARACTER_INPUT})
    assert provider.headers[0]["authorization"] == f"Bearer {KEY}", "the key was in use"
    everything_logged = text.getvalue()
    header, payload, signature = token.split(".")
    for private in (MARK, MARK.replace("-", ""), KEY, SECRET, header, payload, signature):
        assert private not in everything_logged
    assert len(lines(text)) > 40


async def test_every_request_has_a_line_and_what_breaks_has_its_traceback(
    loregate: Service,
) -> None:
    with written("info", "json") as text:
        headers = {**loregate.headers(), "X-Request-ID": "trace-42"}
        with replaced(loregate.gateway.models, choose=Broken().choose):
            answer = await loregate.http.post(TEXT, json=GOOD[TEXT], headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert MARK not in answer.text
    broken, request = lines(text)
    assert broken["request_id"] == request["request_id"] == "trace-42"
    assert (broken["level"], broken["event"]) == ("error", "unexpected error")
    assert "in choose" in broken["exception"]
    assert broken["exception"].endswith("builtins.ValueError")
    assert request["event"] == f"POST {TEXT} 500"
    assert request.keys() >= {"level", "logger", "timestamp", "ms"}


async def test_what_breaks_outside_every_route_is_a_500_and_told_too(loregate: Service) -> None:
    health, loregate.gateway.health = loregate.gateway.health, Broken()  # type: ignore[assignment]  # on purpose
    with written("info", "json") as text:
        answer = await loregate.http.get("/health", headers={"X-Request-ID": "trace-43"})
    loregate.gateway.health = health
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    (broken,) = lines(text)
    assert (broken["request_id"], broken["level"]) == ("trace-43", "error")
    assert MARK not in text.getvalue()


async def test_a_clients_bytes_are_no_error_of_ours(loregate: Service) -> None:
    """A frame of text that is no UTF-8 ends its socket; anybody could fill the log with those."""
    with written("info", "json") as text:
        async with loregate.socket() as socket:
            await socket.acknowledged()
            protocol = socket.ws.protocol
            protocol.send_frame(Frame(Opcode.TEXT, b"\xff\xfe"))
            socket.ws.transport.write(b"".join(protocol.data_to_send()))
            assert (await socket.closed())[0] == 1007
    assert [line for line in lines(text) if line["level"] not in ("info", "debug")] == []


async def test_what_stands_behind_a_question_mark_is_not_told(loregate: Service) -> None:
    """A client that cannot send headers may put its token there, though it is not taken."""
    ws = loregate.url.replace("http", "ws", 1)
    with written("info", "json") as text:
        await loregate.http.get(f"/api/v2/content/x?token={MARK}", headers=loregate.headers())
        await loregate.http.get(f"/graphql?query={MARK}", headers=loregate.headers())
        for path in ("/graphql", "/nowhere"):
            with contextlib.suppress(InvalidStatus):
                async with connect(f"{ws}{path}?token={MARK}&q=?{MARK}", subprotocols=[PROTOCOL]):
                    pass
    assert "WebSocket /graphql" in text.getvalue()
    assert MARK not in text.getvalue()


async def test_a_path_cannot_begin_a_line_of_its_own(loregate: Service) -> None:
    with written("info", "console") as text:
        await loregate.http.get("/a%0A2026-11-22%20%5Bcritical%5D%20all%20is%20lost" + "x" * 5000)
    (line,) = text.getvalue().splitlines()
    assert "/a%0A2026" in line
    assert len(line) < 600


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("level", ["info", "debug"])
def test_an_exceptions_message_is_told_at_debug_alone_and_locals_never(
    form: str, level: str
) -> None:
    local = "a local value " + MARK  # it stands in the frame that raises
    with written(level, form) as text:
        try:
            raise RuntimeError("the message" + local[:0]) from OSError("the cause")
        except RuntimeError:
            logging.getLogger("app.test").exception("it broke")
    told = text.getvalue()
    assert MARK not in told
    for kind in ("RuntimeError", "OSError", "test_logs.py"):
        assert kind in told
    for said in ("RuntimeError: the message", "OSError: the cause"):
        assert (said in told) == (level == "debug")


def test_a_chain_of_exceptions_that_never_ends_is_cut() -> None:
    first, second = RuntimeError("a"), OSError("b")
    first.__cause__, second.__cause__ = second, first
    with written("info", "json") as text:
        logging.getLogger("app.test").error("it broke", exc_info=first)
    assert lines(text)[0]["exception"].count("RuntimeError") == 5


def test_libraries_that_repeat_each_request_are_quiet() -> None:
    with written("info", "json") as text:
        for name in ("httpx2", "openai", "sqlalchemy.engine"):
            logging.getLogger(name).info("POST %s", MARK)
        logging.getLogger("uvicorn.access").info("GET /graphql?query=%s", MARK)
        logging.getLogger("uvicorn.error").info("hello", extra={"color_message": "hello"})
    (line,) = lines(text)
    assert line["event"] == "hello"
    assert "color_message" not in line


def test_a_warning_of_pythons_is_one_line_like_any_other() -> None:
    logging.captureWarnings(False)  # an earlier test's
    with warnings.catch_warnings(), written("info", "json") as text:
        warnings.simplefilter("always")
        warnings.warn("nobody waits for it", RuntimeWarning, stacklevel=1)
    logging.captureWarnings(False)
    [line] = lines(text)
    assert line["level"] == "warning"
    assert "nobody waits for it" in line["event"]


def test_debug_is_told_only_at_debug() -> None:
    for level, count in (("debug", 2), ("info", 1), ("error", 0)):
        with written(level, "json") as text:
            logging.getLogger("app.test").debug("a detail")
            logging.getLogger("app.test").info("a fact")
        assert len(lines(text)) == count
