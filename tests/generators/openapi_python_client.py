"""openapi-python-client: attrs models, httpx."""

import json
import sys
from uuid import UUID

from loregate_rest_v_2_client import AuthenticatedClient
from loregate_rest_v_2_client.api.batch import run_batch
from loregate_rest_v_2_client.api.content import read_content
from loregate_rest_v_2_client.api.text import generate_character_content
from loregate_rest_v_2_client.models import (
    Batch,
    BatchRequest,
    BatchRequestBody,
    BatchResults,
    CharacterContentType,
    CharacterContext,
    CharacterRequest,
    ErrorBody,
    ModelChoice,
    TextAnswer,
    Theme,
)

url, token = sys.argv[1:]
client = AuthenticatedClient(base_url=url, token=token)
context = CharacterContext(character_class="warlock", character_level=5)
context["sworn_enemy"] = "Vexis"
theme = Theme(tone="ominous")
theme["weather"] = "rain"
body = CharacterRequest(
    type_=CharacterContentType.BACKSTORY,
    character_context=context,
    theme=theme,
    model=ModelChoice(max_tokens=500),
)

made = generate_character_content.sync(client=client, body=body)
assert isinstance(made, TextAnswer)
stored = read_content.sync(client=client, content_id=made.content_id)
assert isinstance(stored, TextAnswer)

wrong = CharacterRequest(
    type_=CharacterContentType.COMBAT, character_context=CharacterContext(character_level=99)
)
invalid = generate_character_content.sync_detailed(client=client, body=wrong)
assert isinstance(invalid.parsed, ErrorBody)
missing = read_content.sync_detailed(
    client=client, content_id=UUID("0198c0de-7a1e-7000-8000-5a17e4e00001")
)
assert isinstance(missing.parsed, ErrorBody)

wanted = [
    BatchRequest(
        id="a",
        path="/api/v2/text/character",
        body=BatchRequestBody.from_dict(body.to_dict()),
    ),
    BatchRequest(id="b", path="/api/v2/text/nothing", body=BatchRequestBody()),
]
batch = run_batch.sync(client=client, body=Batch(requests=wanted))
assert isinstance(batch, BatchResults)

print(
    json.dumps(
        {
            "same": (stored.content, stored.content_id) == (made.content, made.content_id),
            "model": made.metadata.model_used,
            "invalid": [invalid.status_code, invalid.parsed.code, invalid.parsed.details.field],
            "missing": [missing.status_code, missing.parsed.code],
            "batch": [[result.id, result.status] for result in batch.results],
        }
    )
)
