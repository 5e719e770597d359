"""The server's own needs of the system."""

from __future__ import annotations

import logging
import resource
from collections.abc import Iterator

import pytest

from app.server import allow_files


@pytest.fixture
def files() -> Iterator[tuple[int, int]]:
    """A process that may have 256 files open by itself, and more if it asks for them."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    yield 256, before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_as_many_files_are_allowed_as_connections_need(files: tuple[int, int]) -> None:
    allow_files(1000)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1000, files[1])
    allow_files(500)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (1000, files[1]), "never fewer"


def test_what_the_system_does_not_give_is_said(
    files: tuple[int, int], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        allow_files(files[1] + 1)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (files[1], files[1])
    assert f"may need {files[1] + 1}" in caplog.text
