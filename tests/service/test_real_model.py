"""What `make try-model` asks and how it judges, without its model."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLSchema, build_schema, parse, validate
from graphql.execution.values import get_variable_values
from graphql.language import OperationDefinitionNode

from app.operations import OPERATIONS
from tests.real_model import checks
from tests.real_model.edges import CANCEL, FOLLOW, START, Told
from tests.real_model.llama import Counts
from tests.real_model.questions import CHARACTER, MODEL, QUESTIONS, SHORT, Question
from tests.support.cli_process import ROOT

BY_NAME = pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.operation)
STORED = {
    "content_id": "01930000-0000-7000-8000-000000000000",
    "content": "The bell rang once.",
    "parent_content_id": None,
    "metadata": {
        "content_type": "character",
        "model_used": MODEL,
        "token_usage": {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11},
        "request_id": "r",
        "created_at": "2026-11-25T12:00:00Z",
        "cached": False,
        "degraded": False,
    },
}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "schema.graphql").read_text())


def received(*heard: str, **given: Any) -> Told:
    found = {"model": MODEL, "finish": "stop", "source": "provider", "prompt": 5, "completion": 6}
    return Told(heard=list(heard), tried=[f"{MODEL} ok"], **{**found, **given})


def problems(schema: GraphQLSchema, document: str, variables: dict[str, Any]) -> list[str]:
    """What a GraphQL server would refuse of it."""
    parsed = parse(document)
    found = [error.message for error in validate(schema, parsed)]
    asked = parsed.definitions[0]
    assert isinstance(asked, OperationDefinitionNode)
    coerced = get_variable_values(schema, asked.variable_definitions or (), variables)
    return found + ([e.message for e in coerced] if isinstance(coerced, list) else [])


def test_each_operation_has_a_question() -> None:
    assert {q.operation for q in QUESTIONS} == set(OPERATIONS)


@BY_NAME
def test_questions_are_good_requests(question: Question, schema: GraphQLSchema) -> None:
    OPERATIONS[question.operation].read(question.rest(SHORT))
    given = question.graphql(SHORT)
    assert problems(schema, question.document, {"input": given}) == []
    assert problems(schema, START, {"input": {question.started: given}}) == []
    assert problems(schema, FOLLOW, {"id": "1"}) == problems(schema, CANCEL, {"id": "1"}) == []


def test_a_good_answer_has_nothing_wrong() -> None:
    good = received("The bell ", "rang once.")
    assert checks.answer(CHARACTER, "WebSocket", good, STORED) == []
    assert checks.answer(CHARACTER, "REST", received(finish="length"), STORED) == []
    assert checks.usage([good, good], Counts(10, 12)) == []


@pytest.mark.parametrize(
    "bad",
    [
        received("The bell ", "rang twice."),
        received("The bell rang once."),
        received("The bell ", "rang once.", model="storyteller"),
        received("The bell ", "rang once.", degraded=True),
        received("The bell ", "rang once.", cached=True),
    ],
    ids=["other text", "in one piece", "model", "degraded", "cached"],
)
def test_what_is_wrong_with_an_answer_is_told(bad: Told) -> None:
    assert len(checks.answer(CHARACTER, "REST stream", bad, STORED)) == 1


def test_an_answer_that_is_not_its_schema_or_not_whole_is_wrong() -> None:
    [theme] = [q for q in QUESTIONS if q.operation == "theme"]
    cut = received(finish="length")
    [schema, finish] = checks.answer(theme, "REST", cut, STORED)
    assert (schema.startswith("not its schema"), finish) == (True, "finish length")


def test_usage_is_the_servers_own_count_or_less_where_it_was_asked_again() -> None:
    assert len(checks.usage([received()], Counts(5, 7))) == 1
    assert len(checks.usage([received(source="gateway")], Counts(5, 6))) == 1
    again = received()
    again.tried.insert(0, f"{MODEL} invalid")
    assert checks.usage([again], Counts(11, 13)) == []
    assert len(checks.usage([again], Counts(4, 13))) == 1
