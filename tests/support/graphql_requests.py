"""GraphQL as clients send it: over each transport, a document and an input for each operation."""

from __future__ import annotations

import uuid
from typing import Any

import orjson
import pytest

from tests.support.service import Service


# -- transports
async def by_post(loregate: Service, query: str, variables: Any = None, **claims: Any) -> Any:
    return (await loregate.graphql(query, variables, **claims)).json()


async def by_get(loregate: Service, query: str, variables: Any = None, **claims: Any) -> Any:
    asked = {"query": query, "variables": orjson.dumps(variables).decode()}
    headers = loregate.headers(**claims)
    return (await loregate.http.get("/graphql", params=asked, headers=headers)).json()


async def by_socket(loregate: Service, query: str, variables: Any = None, **claims: Any) -> Any:
    async with loregate.socket(**claims) as socket:
        await socket.acknowledged()
        await socket.subscribe(query, variables)
        message = await socket.receive()
        if message["type"] == "error":
            return {"errors": message["payload"]}
        assert (await socket.receive())["type"] == "complete"
        return message["payload"]


QUERIES = {"POST": by_post, "GET": by_get, "WebSocket": by_socket}
MUTATIONS = {"POST": by_post, "WebSocket": by_socket}
over_each_query_transport = pytest.mark.parametrize("ask", QUERIES.values(), ids=QUERIES)
over_each_mutation_transport = pytest.mark.parametrize("ask", MUTATIONS.values(), ids=MUTATIONS)

# -- documents
STORY = """mutation ($input: GenerateStoryInput!) { generateStory(input: $input) {
  requestId rateLimit { scope limit remaining resetAt windowSeconds }
  story { contentId contentType createdAt elementType text summary parentElementId childElements
          metadata { contentType modelUsed requestId createdAt cached degraded
                     tokenUsage { promptTokens completionTokens totalTokens } } } } }"""
STORY_INPUT = {"elementType": "QUEST", "context": {"setting": "a harbour", "partyLevel": 3}}
THEME = """mutation ($input: AnalyzeThemeInput!) { analyzeTheme(input: $input) { analysis {
  contentId primaryCategory secondaryCategories categoryConfidence overallScore summary
  elements { element score description suggestions }
  compatibility { score conflicts enhancements transitionSteps } } } }"""
THEME_INPUT = {
    "content": "The dead walk the harbour by night.",
    "elements": ["MOOD", "TONE"],
    "targetTheme": {"genre": "comedy"},
}
VALIDATION = """mutation ($input: ValidateContentInput!) { validateContent(input: $input) {
  validation { contentId overallScore passed summary results { ruleId passed score
  issues { severity message location suggestions } } } } }"""
RULE = str(uuid.UUID(int=7))
VALIDATION_INPUT = {
    "content": "The dead walk the harbour by night.",
    "contentType": "story",
    "rules": [
        {"id": RULE, "category": "QUALITY", "name": "Long enough", "isRequired": False},
        {"category": "CUSTOM", "name": "Names a harbour",
         "parameters": [{"key": "must_include", "value": "harbour"}]},
    ],
}  # fmt: skip


def field_errors(body: Any) -> dict[str, str]:
    """What is said of each bad field, however many errors say it."""
    found = {}
    for error in body["errors"]:
        facts = error["extensions"]
        assert facts["code"] == "BAD_USER_INPUT"
        for one in facts.get("errors") or [facts]:
            found[one["field"]] = one["error"]
    return found


def aliased(field: str, count: int) -> str:
    """The field so many times, under the names a0, a1, …"""
    return " ".join(f"a{i}: {field}" for i in range(count))
