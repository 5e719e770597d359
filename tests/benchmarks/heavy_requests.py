"""The heaviest requests that are no documents, and documents that are heavy to read alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.operations.validation import RuleCategory
from tests.support.graphql_requests import aliased

PROSE = "The dark lich of Ravenholt whispers of blood, hope and old betrayals beneath the moon; "
LONG = (PROSE * 600)[:49_990]  # characters of a text to analyse or validate
RULES = [
    {
        "category": category,
        "name": f"Rule {n}",
        "description": PROSE,
        "parameters": {f"parameter {k}": PROSE for k in range(8)},
    }
    for n, category in enumerate([c.value for c in RuleCategory] * 4)
][:20]
EXTRA = {f"key {n}": PROSE * 40 for n in range(60)}
WRONG = {"character_class": 5, "character_race": [], "character_level": "x"}


@dataclass(frozen=True)
class Heavy:
    """A request; `body` is JSON, or sent as it is when it is text. `$N` in it becomes a number."""

    name: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def content(self, number: int) -> bytes | None:
        if self.body is None:
            return None
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.replace("$N", str(number)).encode()


def document(name: str, text: str, variables: Any = None) -> Heavy:
    return Heavy(name, "/graphql", {"query": text, "variables": variables})


THEME = {"content": f"$N {LONG}"}
VALIDATION = {"content": f"$N {LONG}", "content_type": "story", "rules": RULES}
STORY = {"element_type": "plot", "context": {"setting": "$N", **EXTRA}}
CHARACTER = {
    "type": "backstory",
    "character_context": {"character_class": "warlock", "character_race": "elf", **EXTRA},
}
ANALYZE = "mutation ($input: AnalyzeThemeInput!) { analyzeTheme(input: $input) { requestId } }"
BIG = 250_000  # characters of a body: as many as are taken

REQUESTS = [
    Heavy("rest: analysis of 50,000 characters", "/api/v2/theme/analyze", THEME),
    Heavy("rest: validation of 50,000 by 20 rules", "/api/v2/validation/content", VALIDATION),
    Heavy("rest: story with 60 long keys", "/api/v2/campaign/story", STORY),
    Heavy("rest: character with 60 long keys", "/api/v2/text/character", CHARACTER),
    Heavy("rest: character with 9,000 wrong keys", "/api/v2/text/character",
          {"type": "x", "character_context": {**WRONG, **{f"k{n}": n for n in range(9_000)}}}),
    Heavy("rest: validation by 6,000 wrong rules", "/api/v2/validation/content",
          {"content": "a", "rules": [{"name": n} for n in range(6_000)]}),
    Heavy("rest: analysis with 20,000 wrong elements", "/api/v2/theme/analyze",
          {"content": "a", "elements": ["no"] * 20_000}),
    Heavy("rest: a batch of 20 long ones", "/api/v2/batch", {"requests": [
        {"id": str(n), "path": "/api/v2/campaign/story",
         "body": {"element_type": "plot", "context": {"k": f"$N {PROSE * 40}"}}}
        for n in range(20)]}),
    Heavy("rest: a batch of 20 analyses", "/api/v2/batch", {"requests": [
        {"id": str(n), "path": "/api/v2/theme/analyze", "body": {"content": f"$N {LONG[:9_000]}"}}
        for n in range(20)]}),
    Heavy("rest: JSON nested 120,000 deep", "/api/v2/text/character", "[" * 120_000),
    Heavy("rest: JSON of 120,000 numbers", "/api/v2/text/character", f"[{'1,' * 120_000}1]"),
    Heavy("rest: JSON of 60,000 keys", "/api/v2/text/character",
          "{" + ",".join(f'"{n}":1' for n in range(25_000)) + "}"),
    Heavy("rest: broken JSON", "/api/v2/text/character", '{"type": "' + "a" * BIG),
    Heavy("rest: OpenAPI", "/api/v2/openapi.json"),
    Heavy("rest: AsyncAPI", "/api/v2/asyncapi.json"),
    Heavy("rest: the reference page", "/api/v2/docs", headers={"accept": "text/html"}),
    Heavy("rest: metrics", "/metrics"),
    Heavy("rest: export of a user", "/api/v2/users/alice/export"),
    Heavy("rest: usage as CSV", "/api/v2/usage?group=day&group=model&group=operation",
          headers={"accept": "text/csv"}),
    Heavy("rest: ratings", "/api/v2/ratings"),
    Heavy("page: GraphiQL", "/graphql", headers={"accept": "text/html"}),
    Heavy("graphql: analysis of 50,000 characters", "/graphql",
          {"query": ANALYZE, "variables": {"input": THEME}}),
    document("graphql: the same in its document",
             'mutation { analyzeTheme(input: {content: "' + LONG + ' $N"}) { requestId } }'),
    document("graphql: 40,000 escapes in its document",
             'mutation { analyzeTheme(input: {content: "' + "\\n" * 30_000
             + ' $N"}) { requestId } }'),
    document("graphql: a block string of 30,000 lines",
             'mutation { analyzeTheme(input: {content: """' + " a\n" * 15_000
             + ' $N"""}) { requestId } }'),
    document("graphql: variables of 1,900 values", ANALYZE,
             {"input": {"content": "$N", "elements": ["TONE"] * 190,
                        "categoryFilter": ["DARK"] * 190}}),
    document("graphql: variables of 200 wrong values", ANALYZE,
             {"input": {"content": "$N", "elements": ["NO"] * 199}}),
    document("graphql: 240,000 numbers as variables", "{ viewer { id } }",
             {"x": [1] * 80_000}),
    document("graphql: a document of 400 fields, new",
             "query q$N { health {" + aliased("status", 390) + "} }"),
    document("graphql: 50 operations, new",
             " ".join(f"query q{n}x$N {{ health {{ {aliased('status', 6)} }} }}"
                      for n in range(50))),
    document("graphql: 49 fragments, new", "query q$N { health { ...f0 } } " + " ".join(
        f"fragment f{n} on Health {{ status ...f{n + 1} }}" for n in range(48))
        + " fragment f48 on Health { status }"),
    document("graphql: 200 values, new",
             "query q$N { contents(contentTypes: [" + "STORY " * 190 + "]) { __typename } }"),
    document("graphql: 40 variables, new",
             "query q$N(" + " ".join(f"$a{n}: ID!" for n in range(40)) + ") {"
             + " ".join(f"a{n}: content(id: $a{n}) {{ contentId }}" for n in range(40)) + "}",
             {f"a{n}": "x" for n in range(40)}),
    document("graphql: one key ten times, new",
             "query q$N { health {" + " ".join([aliased("status", 39)] * 10) + " } }"),
    document("graphql: 390 wrong fields, new",
             "query q$N { health {" + aliased("wrong", 390) + "} }"),
    document("graphql: 390 wrong arguments, new",
             "query q$N { health {" + aliased("status(a: 1)", 190) + "} }"),
    document("graphql: 1,499 tokens without sense", "query q$N { " + "a " * 1_490 + "}"),
    document("graphql: 60,000 spaces", "query q$N " + " " * 60_000 + "{ viewer { id } }"),
    document("graphql: 60,000 commas", "query q$N " + "," * 60_000 + "{ viewer { id } }"),
    document("graphql: a wrong word of 60,000", "query q$N { " + "a" * 60_000 + " }"),
    document("graphql: a wrong end after 60,000", "query q$N { " + " " * 60_000 + " ! }"),
    document("graphql: broken in a line of 60,000", "query q$N { a" + "\u00e9" * 60_000),
    document("graphql: no document at all", "\u0000" * 40_000),
]  # fmt: skip
