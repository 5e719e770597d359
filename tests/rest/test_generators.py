"""What linters and generators of clients make of the OpenAPI document: `make test-generators`.

Each generator's client must compile under strict types and run an ordinary script against the
gateway: generate a character, read the stored content, meet a 400 and a 404 as typed errors, and
send a batch.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.generators import Workshop
from tests.support.service import Service, token

pytestmark = pytest.mark.generators

LEVEL = "character_context.character_level"


def says_what_happened(found: Any, field: str = LEVEL) -> None:
    assert found == {
        "same": True,
        "model": "storyteller",
        "invalid": [400, "INVALID_REQUEST", field],
        "missing": [404, "NOT_FOUND"],
        "batch": [["a", 200], ["b", 404]],
    }


# -- linters
async def test_spectral_finds_nothing(npm_workshop: Workshop) -> None:
    said = await npm_workshop.run(
        "spectral", "lint", "-r", "spectral.yaml", "-F", "hint", "openapi.json"
    )
    assert "No results" in said


async def test_redocly_finds_nothing(npm_workshop: Workshop) -> None:
    said = await npm_workshop.run("redocly", "lint", "--config", "redocly.yaml", "openapi.json")
    assert "Your API description is valid" in said
    assert "You have" not in said  # so many warnings


async def test_asyncapis_own_parser_finds_nothing_in_the_document_of_the_events(
    npm_workshop: Workshop,
) -> None:
    said = await npm_workshop.run("node", "asyncapi_parser.mjs", "asyncapi.json")
    assert said.split() == ["3.1.0"]


async def test_spectral_finds_nothing_in_the_document_of_the_events(npm_workshop: Workshop) -> None:
    said = await npm_workshop.run(
        "spectral", "lint", "-r", "spectral-asyncapi.yaml", "-F", "hint", "asyncapi.json"
    )
    assert "No results" in said


# -- TypeScript
async def test_openapi_typescript_and_openapi_fetch(
    loregate: Service, npm_workshop: Workshop
) -> None:
    await npm_workshop.run(
        "openapi-typescript", "openapi.json", "-o", "openapi-typescript/schema.ts"
    )
    found = await npm_workshop.typescript("openapi-typescript.ts", loregate.url, token())
    says_what_happened(found)


async def test_orval(loregate: Service, npm_workshop: Workshop) -> None:
    await npm_workshop.run("orval", "--config", "./orval.config.cjs")
    says_what_happened(await npm_workshop.typescript("orval.ts", loregate.url, token()))


async def test_hey_api(loregate: Service, npm_workshop: Workshop) -> None:
    await npm_workshop.run(
        "openapi-ts", "-i", "openapi.json", "-o", "hey-api", "-c", "@hey-api/client-fetch"
    )
    says_what_happened(await npm_workshop.typescript("hey-api.ts", loregate.url, token()))


async def test_openapi_generators_typescript_fetch(
    loregate: Service, npm_workshop: Workshop, pypi_workshop: Workshop
) -> None:
    await _openapi_generator(pypi_workshop, "typescript-fetch")
    says_what_happened(await npm_workshop.typescript("typescript-fetch.ts", loregate.url, token()))


# -- Python
async def test_openapi_generators_python(loregate: Service, pypi_workshop: Workshop) -> None:
    await _openapi_generator(pypi_workshop, "python")
    found = await pypi_workshop.python(
        "openapi_generator.py", "openapi-generator/python", loregate.url, token()
    )
    says_what_happened(found, "model.name")


async def test_openapi_python_client(loregate: Service, pypi_workshop: Workshop) -> None:
    said = await pypi_workshop.run(
        *("openapi-python-client", "generate", "--meta", "none", "--overwrite"),
        *("--path", "openapi.json", "--config", "openapi-python-client.yaml"),
        *("--output-path", "attrs/loregate_rest_v_2_client"),
    )
    assert "Warning" not in said
    found = await pypi_workshop.python("openapi_python_client.py", "attrs", loregate.url, token())
    says_what_happened(found)


async def _openapi_generator(workshop: Workshop, name: str) -> None:
    said = await workshop.run(
        "openapi-generator-cli",
        "generate",
        "-i",
        "openapi.json",
        "-g",
        name,
        "-o",
        f"openapi-generator/{name}",
    )
    assert "ERROR" not in said
    assert "cannot be used as a model name" not in said
