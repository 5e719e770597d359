"""A change of `schema.graphql` is named in its changelog, and so is what breaks clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.schema_changes import unnamed

ROOT = Path(__file__).parents[2]
RECORDED = (ROOT / "docs" / "schema-recorded.graphql").read_text()
CURSOR = (
    '  """The event log\'s end now: who subscribes `after` it misses nothing."""\n'
    "  eventCursor: String!\n"
)
EMPTY = "## Unreleased\n\nNothing.\n\n### Breaking\n\nNothing.\n\n## 0.1.0\n"


def test_every_change_since_the_recorded_schema_is_in_the_changelog() -> None:
    """Name what this lists under Unreleased in docs/schema-changelog.md."""
    changelog = (ROOT / "docs" / "schema-changelog.md").read_text()
    assert unnamed(changelog, RECORDED, (ROOT / "schema.graphql").read_text()) == []


@pytest.mark.parametrize(
    ("was", "becomes", "named"),
    [
        ("enum CacheUse {", "enum CacheUse {\n  NEVER", "CacheUse.NEVER"),
        ("  eventCursor: String!", "  eventCursor: String!\n  news: Int", "Query.news"),
        ("    first: Int! = 20", "    first: Int! = 30", "Content.children(first:)"),
        ("  eventCursor: String!", "  eventCursor: String", "Query.eventCursor"),
        (CURSOR, "", "Query.eventCursor"),
    ],
)
def test_a_change_that_is_not_named_is_seen(was: str, becomes: str, named: str) -> None:
    assert RECORDED.count(was) >= 1
    assert named in unnamed(EMPTY, RECORDED, RECORDED.replace(was, becomes, 1))


def test_a_breaking_change_must_be_named_as_one() -> None:
    gone = RECORDED.replace(CURSOR, "", 1)
    told = EMPTY.replace("Nothing.", "`Query.eventCursor` is gone.", 1)
    assert unnamed(told, RECORDED, gone) == ["Field Query.eventCursor was removed."]
    both = told.replace("Nothing.", "- `Query.eventCursor`: ask for `after` elsewhere.")
    assert unnamed(both, RECORDED, gone) == []
