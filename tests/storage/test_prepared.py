"""Statements that go to SQLite's driver themselves do what SQLAlchemy would have done with them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, insert, select
from sqlalchemy.exc import IntegrityError, StatementError
from uuid_utils import uuid7

from app.storage import holdings
from app.storage.database import Refused, refused
from app.storage.holdings import Holding
from app.storage.prepared import Prepared
from app.storage.tables import contents, metadata

INSERT = Prepared(lambda _: insert(contents), contents.c.keys())


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://", hide_parameters=True)
    metadata.create_all(engine)
    with engine.connect() as found:
        yield found
    engine.dispose()


def a_row(**more: Any) -> dict[str, Any]:
    at = datetime(2026, 11, 26, 12, 30, 1, 250_000, timezone(timedelta(hours=5, minutes=30)))
    return {
        "content_id": str(uuid7()),
        "user_id": "mira",
        "operation": "story",
        "content_type": "STORY",
        "parent_id": None,
        "answer": "{}",
        "created_at": at,
        **more,
    }


def test_a_row_is_bound_as_sqlalchemy_binds_it(connection: Connection) -> None:
    row = a_row(parent_id=str(uuid7()))
    INSERT.execute(connection, [row])
    prepared = connection.exec_driver_sql("SELECT * FROM contents").all()
    connection.execute(contents.delete())
    connection.execute(insert(contents), row)
    assert prepared == connection.exec_driver_sql("SELECT * FROM contents").all()
    [found] = connection.execute(select(contents))
    assert found.created_at == row["created_at"].astimezone(UTC)


def test_what_is_returned_comes_for_every_row(connection: Connection) -> None:
    held = {"mira": Holding(1, 10), "abe": Holding(2, 20)}
    assert holdings.change(connection, held) == held
    assert holdings.change(connection, {"mira": Holding(1, 5)}) == {"mira": Holding(2, 15)}


def test_a_second_row_of_an_id_is_refused_as_a_duplicate(connection: Connection) -> None:
    row = a_row()
    INSERT.execute(connection, [row])
    with pytest.raises(IntegrityError) as caught:
        INSERT.execute(connection, [row])
    found = refused(caught.value)
    assert isinstance(found, Refused)
    assert found.duplicate


@pytest.mark.parametrize(
    "wrong",
    [{"created_at": "secret"}, {"created_at": datetime(2026, 1, 1)}, {"content_id": 1.5}],  # noqa: DTZ001
)
def test_a_value_that_cannot_be_bound_is_refused_and_not_quoted(
    connection: Connection, wrong: dict[str, Any]
) -> None:
    with pytest.raises(StatementError) as caught:
        INSERT.execute(connection, [a_row(answer="secret", **wrong)])
    assert refused(caught.value) is not None
    assert "secret" not in str(caught.value)
