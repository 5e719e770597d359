"""Marked secrets and words, taken through every success and failure: where do they come out?

Nothing of `SECRETS` may be in anything that is told or logged. Nothing of `WORDS`, which are the
callers' and the provider's own, may be in a log line, a metric, `/health`, an error, a page or
the output of `loregate doctor`. What was collected is searched as bytes, and so are their base64,
percent-encoded and JSON forms.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from redis import Redis

from app.embedded.valkey import EmbeddedValkey, start_valkey
from app.policies.keys import sign
from tests.attacks import gateway as attacked
from tests.attacks.conversation import Conversation
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import GRAPHQL, GRAPHQL_SSE, SSE, WEBSOCKET, Document, Http, Sending
from tests.support.cli_process import COMMAND, ROOT, environment
from tests.support.graphql_requests import STORY, STORY_INPUT
from tests.support.rest_bodies import GOOD, TEXT, THEME, VALIDATION
from tests.support.rest_bodies import STORY as STORY_PATH
from tests.support.upstream import Behaviour, refusal

# A slash, a plus and quotation marks, as forms of them would have it changed.
SECRETS = {
    "OPENAI_API_KEY": 'sk-canary/key+"of"-openai-7f3a',
    "LOREGATE_JWT_SECRET": "canary secret of tokens of thirty-two bytes and more",
    "LOREGATE_KEY": "canary key of pseudonyms and cursors",
    "Redis": "canary-password-of-redis",
    "PostgreSQL": "canary-password-of-postgresql",
}
WORDS = {
    "user text": "canaryusertext Zwölf «Raben»",
    "prompt": "canarywarlockofthenorth",
    "provider answer": "canaryprovideranswer told by nobody",
    "provider error": "canaryprovidererror",
    "idempotency key": "canary-idempotency-key",
    "query string": "canaryquerystring",
}
SUBJECT = "canary-subject"  # whom events name, to himself
CONTEXT = {"character_class": WORDS["prompt"], "background": WORDS["user text"]}
GOOD_TEXT = {**GOOD[TEXT], "character_context": CONTEXT, "model": {"name": "gpt-6-luna"}}
ANALYSIS = {**GOOD[THEME], "content": WORDS["user text"]}
CHECK = {**GOOD[VALIDATION], "content": WORDS["user text"], "model": {"name": "gpt-6-luna"}}
TALE = {**GOOD[STORY_PATH], "context": {"setting": WORDS["user text"]}}
KEYED = {"Idempotency-Key": WORDS["idempotency key"]}
QUERY = f"/graphql?access_token={WORDS['query string']}"
# What a provider says of a request, quoting all of it.
SAID = f"{WORDS['provider error']} {SECRETS['OPENAI_API_KEY']} {WORDS['user text']}"
ANSWER = WORDS["provider answer"]
PROVIDER_FAULTS = {
    "401": refusal(401, "invalid_api_key", SAID),
    "400": refusal(400, "content_filter", SAID, type="invalid_request_error"),
    "400 of a parameter": refusal(400, "unsupported_value", SAID, param=WORDS["provider error"]),
    "429": refusal(429, "insufficient_quota", SAID),
    "500": refusal(500, None, SAID),
    "HTML": Behaviour(status=502, raw=SAID.encode()),
    "no JSON": Behaviour(raw=SAID.encode()),
    "no completion": Behaviour(body={"object": SAID}),
    "cut": Behaviour(text=ANSWER * 20, cut_after=3),
    "reset": Behaviour(reset=True),
    "error midway": Behaviour(text=ANSWER * 20, error_after=2),
    "refusal": Behaviour(refusal=ANSWER),
    "filtered": Behaviour(text=ANSWER, finish_reason="content_filter"),
    "empty": Behaviour(text=""),
    "no schema": Behaviour(text=json.dumps({"secret": ANSWER})),
}


def token(**claims: Any) -> str:
    told = {"sub": SUBJECT, "exp": 4_000_000_000, "permissions": ["*:*"], "tier": "pro"}
    return sign({**told, **claims}, secret=SECRETS["LOREGATE_JWT_SECRET"])


TOKEN = token()
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Seen:
    """Everything that was told, by where it was told."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, bytes]] = []  # which may have callers' words
        self.private: list[tuple[str, bytes]] = []  # which may not

    def leaks(self) -> list[str]:
        secrets = {**SECRETS, "token": TOKEN, "signature": TOKEN.rpartition(".")[2]}
        found = [_found(where, what, secrets) for where, what in [*self.answers, *self.private]]
        found += [_found(where, what, WORDS) for where, what in self.private]
        return [leak for leaks in found for leak in leaks]


def _found(where: str, what: bytes, marks: Mapping[str, str]) -> list[str]:
    return [f"{name} in {where}" for name, mark in marks.items() if any(
        form in what for form in _forms(mark))]  # fmt: skip


def _forms(mark: str) -> set[bytes]:
    """As it is, and as it is written in JSON, in an address, in base64 and in Python."""
    raw = mark.encode()
    told = {raw, json.dumps(mark)[1:-1].encode(), repr(mark)[1:-1].encode(), quote(mark).encode()}
    return told | {base64.b64encode(raw)[:-4], mark.encode("latin-1", "replace")}


def asked(gateway: Gateway, sending: Sending, edge: str, where: str) -> bytes:
    """All that came. The sending's own token is replaced by the marked one."""
    with Conversation(gateway.port, patience=15) as conversation:
        sending.send(edge, conversation, "nobody")
    assert conversation.answer.statuses, where
    return conversation.answer.everything


def rest(path: str, body: Any, **headers: str) -> Http:
    return Http("POST", path, body, headers={**HEADERS, **headers})


def good(gateway: Gateway) -> Iterator[tuple[str, bytes]]:
    """What succeeds, over each edge."""
    gateway.provider.always = Behaviour(text=ANSWER)
    yield "a text", asked(gateway, rest(TEXT, GOOD_TEXT, **KEYED), "rest", "a text")
    yield "a stream", asked(gateway, rest(TEXT, GOOD_TEXT, Accept=SSE), "rest", "a stream")
    gateway.provider.always = None
    yield "a check", asked(gateway, rest(VALIDATION, CHECK), "rest", "a check")
    for edge in (GRAPHQL, GRAPHQL_SSE, WEBSOCKET):
        document = Marked("{ viewer { tier } }")
        yield f"a document, {edge}", asked(gateway, document, edge, edge)


class Marked(Document):
    """A document with the marked token."""

    def send(self, edge: str, conversation: Conversation, caller: str) -> None:
        self.over(edge, conversation, HEADERS)


def failing(gateway: Gateway) -> Iterator[tuple[str, bytes]]:
    """What is refused, or fails at the provider or by an exception that nobody expects."""
    bent = {"Authorization": f"Bearer {TOKEN[:-3]}AAA"}
    refused = {
        "conflict": rest(TEXT, {**GOOD_TEXT, "type": "combat"}, **KEYED),
        "no type": rest(TEXT, {"character_context": CONTEXT}),
        "too long": rest(TEXT, {**GOOD_TEXT, "character_context": {"a": WORDS["user text"] * 500}}),
        "no JSON": rest(TEXT, f'{{"a": "{WORDS["user text"]}'.encode()),
        "a list": rest(TEXT, [WORDS["user text"]]),
        "a bad key": rest(TEXT, GOOD_TEXT, **{"Idempotency-Key": KEYED["Idempotency-Key"] + "é"}),
        "a bad token": Http("POST", TEXT, GOOD_TEXT, headers=bent),
        "another scheme": Http("POST", TEXT, GOOD_TEXT,
                               headers={"Authorization": f"Basic {TOKEN}"}),
        "no permission": Http("POST", TEXT, GOOD_TEXT,
                              headers={"Authorization": f"Bearer {token(permissions=[])}"}),
        "an unknown path": rest(f"/api/v2/none?token={WORDS['query string']}", GOOD_TEXT),
        "an unknown method": Http("PUT", f"{TEXT}?token={WORDS['query string']}", headers=HEADERS),
        "a model's call": rest(STORY_PATH, TALE),
        "a model's call, streamed": rest(STORY_PATH, TALE, Accept=SSE),
        "a store": rest(THEME, ANALYSIS, **KEYED),
        "a query string": Http("GET", QUERY, headers=HEADERS),
    }  # fmt: skip
    for name, sending in refused.items():
        yield name, asked(gateway, sending, "rest", name)
    for edge in (GRAPHQL, GRAPHQL_SSE, WEBSOCKET):
        story = {**STORY_INPUT, "context": {"setting": WORDS["user text"]}}
        for name, document in {
            "a story": Marked(STORY, {"input": story}),
            "a list of contents": Marked("{ contents { edges { cursor } } }"),
            "no document": Marked(f'{{ content(id: "{WORDS["user text"]}'),
            "no variables": Marked(STORY, {"input": {"elementType": "QUEST", "context": {
                "partyLevel": 99, "setting": WORDS["user text"]}}}),
        }.items():  # fmt: skip
            yield f"{name}, {edge}", asked(gateway, document, edge, name)
    for name, fault in PROVIDER_FAULTS.items():
        gateway.provider.always = fault
        body = {**GOOD_TEXT, "allow_degraded": False}
        for kind, accept in {"whole": "application/json", "streamed": SSE}.items():
            headers = {"X-Allow-Degraded": "false", "Accept": accept}
            yield f"{name}, {kind}", asked(gateway, rest(TEXT, body, **headers), "rest", name)
        if name in ("no schema", "refusal", "no JSON"):
            yield (
                f"{name}, checked",
                asked(
                    gateway, rest(VALIDATION, CHECK, **{"X-Allow-Degraded": "false"}), "rest", name
                ),
            )
    gateway.provider.always = None


def pages(gateway: Gateway) -> Iterator[tuple[str, bytes]]:
    """What anybody may open, and what operators do."""
    paths = ("/health", "/metrics", "/api/v2/docs", "/api/v2/openapi.json", "/console", "/graphql",
             "/api/v2/errors/INTERNAL_ERROR", "/")  # fmt: skip
    for path in paths:
        told = {**HEADERS, "Accept": "text/html, application/json;q=0.9"}
        query = f"{path}?token={TOKEN}&a={WORDS['query string']}"
        yield path, asked(gateway, Http("GET", query, headers=told), "rest", path)


def without_database(gateway: Gateway, database: Path) -> Iterator[tuple[str, bytes]]:
    with sqlite3.connect(database) as connection:
        connection.execute("ALTER TABLE contents RENAME TO gone")
    yield "no table", asked(gateway, rest(TEXT, GOOD_TEXT), "rest", "no table")
    yield (
        "no table, read",
        asked(
            gateway,
            Http("GET", f"/api/v2/content/{uuid.UUID(int=7)}", headers=HEADERS),
            "rest",
            "read",
        ),
    )
    yield "no table, health", asked(gateway, Http("GET", "/health"), "rest", "health")


def without_redis(gateway: Gateway, valkey: EmbeddedValkey) -> Iterator[tuple[str, bytes]]:
    valkey.stop()
    for name, sending in {
        "no Redis": rest(TEXT, GOOD_TEXT, **KEYED),
        "no Redis, events": Http("GET", "/api/v2/events", headers={**HEADERS, "Accept": SSE}),
        "no Redis, health": Http("GET", "/health"),
    }.items():
        yield name, asked(gateway, sending, "rest", name)


def doctors(told: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """What `loregate doctor` says, well and with a database that is away."""
    away = f"postgresql+asyncpg://loregate:{SECRETS['PostgreSQL']}@127.0.0.1:1/loregate"
    for name, changed in {"doctor": {}, "doctor, no database": {"DATABASE_URL": away}}.items():
        done = subprocess.run(
            [*COMMAND, "doctor", "--serve"],
            cwd=ROOT,
            env=environment(**{**told, **changed}),
            capture_output=True,
            timeout=60,
            check=False,
        )
        yield name, done.stdout + done.stderr


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A Valkey server that wants the marked password."""
    server = start_valkey(tmp_path / "locked", persist=False)
    with Redis.from_url(server.url) as redis:
        redis.config_set("requirepass", SECRETS["Redis"])
    yield server
    server.stop()


def variables(valkey: EmbeddedValkey) -> dict[str, str]:
    return {
        "OPENAI_API_KEY": SECRETS["OPENAI_API_KEY"],
        "LOREGATE_JWT_SECRET": SECRETS["LOREGATE_JWT_SECRET"],
        "LOREGATE_KEY": SECRETS["LOREGATE_KEY"],
        "REDIS_URL": f"{valkey.url}?password={SECRETS['Redis']}",
    }


def test_no_secret_and_no_word_comes_out(tmp_path: Path, locked: EmbeddedValkey) -> None:
    seen, told = Seen(), variables(locked)
    command = (sys.executable, "-m", "tests.attacks.failing_gateway")
    with attacked.serving(tmp_path, command=command, **told) as gateway:
        seen.answers += good(gateway)
        seen.private += failing(gateway)
        seen.private += pages(gateway)
        database = tmp_path / "attacked.db"
        seen.private += without_database(gateway, database)
        seen.private += without_redis(gateway, locked)
        assert "exception" in gateway.said, "nothing unexpected has happened"
    seen.private.append(("the log", gateway.said.encode()))
    assert seen.leaks() == []
    assert SUBJECT not in gateway.said


@pytest.mark.long
def test_the_doctor_tells_no_secret(tmp_path: Path, locked: EmbeddedValkey) -> None:
    seen = Seen()
    database = {"DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path / 'none.db'}"}
    seen.private += doctors({**variables(locked), **database})
    assert all(b"database" in said for _, said in seen.private)
    assert seen.leaks() == []
