"""GraphiQL's examples: one for each root field, and each runs as it stands."""

from __future__ import annotations

import pytest
from graphql import build_schema, parse, validate

from resolvers.schema import build
from tests.support.graphiql_examples import EXAMPLES, TEXT, Example, variables
from tests.support.rest_bodies import GOOD
from tests.support.service import Service

SCHEMA = build_schema(build().as_str())
ASKED = [e for e in EXAMPLES if e.kind != "subscription"]
FOLLOWED = [e for e in EXAMPLES if e.kind == "subscription"]
# What must be written before an event of this kind comes.
CAUSES = {
    "storyGenerated": "/api/v2/campaign/story",
    "themeAnalyzed": "/api/v2/theme/analyze",
    "validationCompleted": "/api/v2/validation/content",
}


def named(example: Example) -> str:
    return f"{example.kind}-{example.field}"


def test_each_root_field_has_one_example_and_all_are_of_the_schema() -> None:
    roots = [SCHEMA.mutation_type, SCHEMA.query_type, SCHEMA.subscription_type]
    fields = [(root.name.lower(), field) for root in roots if root for field in root.fields]
    assert sorted(fields) == sorted((e.kind, e.field) for e in EXAMPLES)
    assert validate(SCHEMA, parse(TEXT)) == []


async def test_each_example_is_answered_without_errors(loregate: Service) -> None:
    for example in ASKED:
        answer = await loregate.data(example.document, await variables(loregate, example))
        assert answer[example.field] is not None, example.field


@pytest.mark.parametrize("example", FOLLOWED, ids=named)
async def test_an_example_of_a_subscription_gets_an_event(
    loregate: Service, example: Example
) -> None:
    filled = await variables(loregate, example)
    async with loregate.socket() as socket:
        await socket.acknowledged()
        await socket.subscribe(example.document, filled)
        if path := CAUSES.get(example.field):
            assert (await loregate.post(path, GOOD[path])).status_code == 200
        else:
            await loregate.generate()
        event = await socket.next(example.field)
    assert event["cursor"]
