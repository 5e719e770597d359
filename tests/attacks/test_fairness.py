"""Who wants everything for themselves: what is kept, and a model's places."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

import pytest

from tests.attacks.attack import Attack, Expected, answered, each, holds
from tests.attacks.conftest import warm
from tests.attacks.conversation import Conversation
from tests.attacks.gateway import Gateway, serving
from tests.attacks.sendings import REST, Document, Http, bearer, request
from tests.support.rest_bodies import GOOD, NPC, STORY, TEXT, THEME, VALIDATION
from tests.support.upstream import Behaviour

PLACES, ALONE = 8, 6  # of the model, and what one user has of them
CONFIG = f"""
[quotas.standard]
contents = 1
[[models]]
name = "gpt-4-turbo"
concurrency = {PLACES}
queue = 8
"""
PATIENCE = 10.0  # s

FULL = answered(403, codes=("QUOTA_EXCEEDED",), has=(b'"used"', b'"limit"'))
FULL_IN_PART = Expected(statuses=(200,), has=(b"QUOTA_EXCEEDED",), lacks=(b'"status":200',))
MUTATION = """mutation { %s }"""
FIELD = """a%d: analyzeTheme(input: {content: "A lamp and a tide, %d."}) { requestId }"""
SOURCE = "CWE-770; issue 9, point 5"


def batch(count: int) -> dict[str, object]:
    return {"requests": [{"id": str(n), "path": TEXT, "body": GOOD[TEXT]} for n in range(count)]}


def document(count: int) -> Document:
    fields = " ".join(FIELD % (n, n) for n in range(count))
    return Document(MUTATION % fields)


QUOTAS = [
    *(Attack(f"one more at {path}", "by a user who keeps as much as they may", SOURCE,
             Http("POST", path, GOOD[path]), FULL)
      for path in (TEXT, STORY, NPC, THEME, VALIDATION)),
    Attack("one more under a new key", "an idempotency key is no other way in", SOURCE,
           Http("POST", TEXT, GOOD[TEXT], {"Idempotency-Key": "another"}), FULL),
    Attack("one more that may be cached", "the wish for a cached answer is none, either", SOURCE,
           Http("POST", TEXT, GOOD[TEXT], {"Cache-Control": "max-age=60"}), FULL),
    Attack("one more by another token", "the user is who is counted, not the token", SOURCE,
           Http("POST", TEXT, GOOD[TEXT], claims={"jti": "other"}), FULL),
    Attack("five more in a batch", "each is refused as if sent alone", SOURCE,
           Http("POST", "/api/v2/batch", batch(5)), FULL_IN_PART),
    Attack("three more in a document", "each field is refused by itself", SOURCE,
           document(3), Expected(codes=("QUOTA_EXCEEDED",))),
]  # fmt: skip


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Where a user may keep one content, and a model has few places."""
    directory = tmp_path_factory.mktemp("narrow")
    (directory / "loregate.toml").write_text(CONFIG)
    with serving(directory, LOREGATE_CONFIG=str(directory / "loregate.toml")) as found:
        warm(found)
        yield found


def keep(gateway: Gateway, caller: str) -> None:
    """The caller keeps one content."""
    with Conversation(gateway.port) as conversation:
        Http("POST", TEXT, GOOD[TEXT]).send(REST, conversation, caller)
        assert conversation.answer.status in (200, 403), conversation.answer


@each(QUOTAS)
def test_who_keeps_as_much_as_they_may_gets_no_model_to_write(
    narrow: Gateway, attack: Attack, edge: str
) -> None:
    keep(narrow, attack.caller)
    holds(narrow, attack, edge)


def calls(gateway: Gateway, wanted: int) -> int:
    """How many calls the provider has had when there are so many, or time is up."""
    end = time.monotonic() + PATIENCE
    while gateway.calls < wanted and time.monotonic() < end:
        time.sleep(0.01)  # between two looks at another process
    return gateway.calls


def test_who_asks_for_all_places_of_a_model_leaves_some_for_the_next(
    narrow: Gateway,
) -> None:
    """CWE-770: the model says nothing for a minute, and others' calls reach it all the same."""
    narrow.provider.always, before = Behaviour(delay=60.0), narrow.calls
    with contextlib.ExitStack() as open_ones:
        for user, count in (("greedy", PLACES), ("next", 1)):
            for _ in range(count):
                told = {**bearer(user), "Content-Type": "application/json"}
                conversation = open_ones.enter_context(Conversation(narrow.port))
                conversation.send(request("POST", TEXT, told, json.dumps(GOOD[TEXT]).encode()))
            had = calls(narrow, before + ALONE + (user == "next")) - before
            assert had == ALONE + (user == "next")
    narrow.provider.always = None
