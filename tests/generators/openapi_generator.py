"""openapi-generator's `python`: pydantic models, urllib3."""

import json
import sys
from collections.abc import Callable
from uuid import UUID

import openapi_client
from openapi_client import (
    Batch,
    BatchRequest,
    CharacterContentType,
    CharacterContext,
    CharacterRequest,
    ErrorBody,
    ModelChoice,
    TextAnswer,
    Theme,
)
from openapi_client.exceptions import ApiException, BadRequestException, NotFoundException

url, token = sys.argv[1:]
client = openapi_client.ApiClient(openapi_client.Configuration(host=url, access_token=token))
text, content = openapi_client.TextApi(client), openapi_client.ContentApi(client)
body = CharacterRequest(
    type=CharacterContentType.BACKSTORY,
    character_context=CharacterContext(
        character_class="warlock", character_level=5, additional_properties={"sworn_enemy": "Vexis"}
    ),
    theme=Theme(tone="ominous", additional_properties={"weather": "rain"}),
    model=ModelChoice(max_tokens=500),
)

made = text.generate_character_content(body)
stored = content.read_content(made.content_id).actual_instance
assert isinstance(stored, TextAnswer)


def refused(ask: Callable[[], object], kind: type[ApiException]) -> tuple[int | None, ErrorBody]:
    """The status and the typed body of the error that it is answered with."""
    try:
        ask()
    except kind as error:
        return error.status, ErrorBody.model_validate(error.data)
    raise AssertionError("it was taken")


# A level that the generated model refuses by itself would never be sent.
unknown = CharacterRequest(
    type=CharacterContentType.COMBAT,
    character_context=CharacterContext(),
    model=ModelChoice(name="nobody"),
)
status, error = refused(lambda: text.generate_character_content(unknown), BadRequestException)
invalid = [status, error.code, error.details.var_field]
nowhere = UUID("0198c0de-7a1e-7000-8000-5a17e4e00001")
status, error = refused(lambda: content.read_content(nowhere), NotFoundException)
missing = [status, error.code]

wanted = [
    BatchRequest(id="a", path="/api/v2/text/character", body=body.to_dict()),
    BatchRequest(id="b", path="/api/v2/text/nothing", body={}),
]
batch = openapi_client.BatchApi(client).run_batch(Batch(requests=wanted))

print(
    json.dumps(
        {
            "same": (stored.content, stored.content_id) == (made.content, made.content_id),
            "model": made.metadata.model_used,
            "invalid": invalid,
            "missing": missing,
            "batch": [[result.id, result.status] for result in batch.results],
        }
    )
)
