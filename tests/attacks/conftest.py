"""The gateway under attack, one for a test process: it is attacked, and must be none the worse."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.attacks import gateway as attacked
from tests.attacks.conversation import Conversation
from tests.attacks.gateway import Gateway
from tests.attacks.sendings import Bearer, Document
from tests.support.service import token


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with attacked.serving(tmp_path_factory.mktemp("attacked")) as found:
        warm(found)
        yield found
        assert attacked.faults(found.new_lines()) == []


def warm(gateway: Gateway) -> None:
    """Once over every edge, so that no row pays for what a process does at its first request."""
    good = Bearer(token("first"))
    document = Document("{ viewer { id } }")
    for sending in (good, document):
        for edge in sending.edges:
            with Conversation(gateway.port) as conversation:
                sending.send(edge, conversation, "first")
