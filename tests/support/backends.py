"""What a service under test stands on: SQLite and one Valkey server, or what a module adds.

`pytestmark = pytest.mark.also_on("cluster", "postgresql")` holds a module's truths once more on a
Redis Cluster and on PostgreSQL, under `make test-servers`. A test that looks into Redis with a
client, or a count, of one server alone is marked `one_server`, and is not held on a cluster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # its asserts are rewritten when it becomes a plugin itself
    from tests.support.cluster import Cluster

MARKERS = (
    "also_on(*backends): the truths of this module hold on these too: cluster, postgresql",
    "one_server: the test looks into the one server that Redis is",
)


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if more := _more_backends(metafunc):
        embedded = pytest.param("embedded", id=pytest.HIDDEN_PARAM)
        others = [pytest.param(name, marks=pytest.mark.servers) for name in more]
        metafunc.parametrize("backend", [embedded, *others], indirect=True)


def _more_backends(metafunc: pytest.Metafunc) -> list[str]:
    """Those that its markers name and that it could notice."""
    test, fixtures = metafunc.definition, metafunc.fixturenames
    named = [name for marker in test.iter_markers("also_on") for name in marker.args]
    one_server = test.get_closest_marker("one_server") is not None
    noticed = {
        "cluster": "redis_url" in fixtures and not one_server,
        "postgresql": "service_database" in fixtures,
    }
    return [name for name in named if noticed[name]]


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    found: str = getattr(request, "param", "embedded")
    return found


@pytest.fixture
def redis_url(request: pytest.FixtureRequest, backend: str) -> str:
    """An empty server's, or an empty cluster's."""
    if backend == "cluster":
        cluster: Cluster = request.getfixturevalue("cluster")
        return cluster.url
    found: str = request.getfixturevalue("valkey_url")
    return found


@pytest.fixture
def service_database(request: pytest.FixtureRequest, backend: str) -> str | None:
    """A fresh, migrated database; None is SQLite in the service's own folder."""
    if backend == "postgresql":
        found: str = request.getfixturevalue("postgres_database")
        return found
    return None
