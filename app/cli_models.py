"""`loregate models`: the table of models, and with `--check` what each of them answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import typer

from app.llm.breaker import Breakers
from app.llm.completion import Completion, CompletionRequest, Writer
from app.llm.failure import AttemptFailed
from app.llm.fallback import Models
from app.llm.model import Model
from app.llm.retirement import Retirement
from app.model_wiring import ModelRow, connect, model, model_rows, required_models
from app.operations import OPERATIONS, ModelChoice, Prompt
from app.settings import Settings

HEADS = ("name", "provider", "upstream", "effort", "$ in", "cached", "out", "context", "key")
TEXT = "Write one sentence about a lighthouse that has no sea."
VERDICT = "Is a lighthouse without a sea of use? Answer as JSON."
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "useful": {"type": "boolean"},
        "reason": {"type": "string", "maxLength": 120},
    },
    "required": ["useful", "reason"],
    "additionalProperties": False,
}
MAX_TOKENS = 120  # tokens of such an answer


def show(settings: Settings, *, ask: bool, as_json: bool) -> bool:
    """Print the table, and with `ask` what each model answers; whether all of that went well."""
    if not as_json:
        typer.echo(table(settings))
    checked = asyncio.run(check(settings)) if ask else ()
    if as_json:
        told = [{"ok": well, "said": said} for well, said in checked]
        found = {"models": facts(settings), "chain": settings.fallback, "checks": told}
        typer.echo(orjson.dumps(found))
    elif ask:
        typer.echo("\n".join(["", *(said for _, said in checked)]))
    return all(well for well, _ in checked)


def facts(settings: Settings) -> list[dict[str, Any]]:
    """What the table tells of each model, as JSON has it."""
    return [
        {
            "name": row.name,
            "provider": row.profile.provider,
            "upstream": row.table.upstream_name,
            "url": row.url,
            "effort": row.profile.effort,
            "input_price": row.table.input_price,
            "cached_price": row.table.cached_price,
            "output_price": row.table.output_price,
            "context_size": row.table.context_size,
            "has_key": row.table.key_name in settings.model_keys,
        }
        for row in model_rows(settings)
    ]


def table(settings: Settings) -> str:
    """A line a model; prices are US dollars for a million tokens."""
    lines = [HEADS, *(_line(settings, row) for row in model_rows(settings))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = ("  ".join(c.ljust(w) for c, w in zip(x, widths, strict=True)).rstrip() for x in lines)
    return "\n".join([*text, "", f"chain: {' > '.join(settings.fallback)}"])


def _line(settings: Settings, row: ModelRow) -> tuple[str, ...]:
    table = row.table
    prices = (table.input_price, table.cached_price, table.output_price)
    return (
        table.name,
        row.profile.provider,
        table.upstream_name,
        row.profile.effort or "-",
        *("-" if price is None else f"{price:g}" for price in prices),
        "-" if table.context_size is None else str(table.context_size),
        "yes" if table.key_name in settings.model_keys else f"no {table.key_name or ''}".strip(),
    )


async def check(settings: Settings) -> Sequence[tuple[bool, str]]:
    """Each model that can be called is asked for a short text and a small schema, in turn.

    Whether that went well, and a line that says how.
    """
    tables = model_rows(settings)
    breakers = Breakers(None, sorted({row.breaker for row in tables}))
    models = Models([model(row, breakers) for row in tables], settings.fallback)
    try:
        await Retirement(await connect(settings, models, None), required_models(settings)).look()
        lines = [line for m in models if m.writer for line in await _checked(m, m.writer)]
        nobody = "no model can be called: set OPENAI_API_KEY, or a row's url"
        return lines or [(False, nobody)]
    finally:
        await models.close()


async def _checked(model: Model, writer: Writer) -> Sequence[tuple[bool, str]]:
    prompts = {
        "text": Prompt(({"role": "user", "content": TEXT},), ModelChoice(max_tokens=MAX_TOKENS)),
        "schema": Prompt(
            ({"role": "user", "content": VERDICT},),
            ModelChoice(max_tokens=MAX_TOKENS),
            SCHEMA,
            "check",
        ),
    }
    return [await _asked(model, writer, what, prompt) for what, prompt in prompts.items()]


async def _asked(model: Model, writer: Writer, what: str, prompt: Prompt) -> tuple[bool, str]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    operation = OPERATIONS["character"]
    request = operation.read({"type": "backstory", "character_context": {}})
    work = CompletionRequest(operation, request, prompt)
    name = f"{model.name} ({model.provider} {model.upstream}) {what}"
    try:
        found = await writer.write(work, deadline=began + model.timeout)
    except AttemptFailed as failure:
        return False, f"{name}: {failure.outcome.value} after {loop.time() - began:.1f} s"
    if prompt.schema is not None and not _fits(found.text):
        return False, f"{name}: answered with something else than was asked for"
    return True, f"{name}: {_summary(model, found, loop.time() - began)}"


def _fits(text: str) -> bool:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return isinstance(found, dict) and found.keys() == SCHEMA["properties"].keys()


def _summary(model: Model, found: Completion, seconds: float) -> str:
    cost = model.prices.cost(found.usage)
    parts = [
        f"first text after {found.first_token or seconds:.2f} s",
        f"whole after {seconds:.2f} s",
        f"{found.usage.total} tokens",
        "price unknown" if cost is None else f"${cost:.6f}",
        f"answers as {found.upstream_model}",
    ]
    if model.unsupported:
        parts.append(f"does not take {', '.join(model.unsupported.names)}")
    if model.gone or model.retires_at:
        parts.append("gone" if model.gone else f"retires at {model.retires_at}")
    return ", ".join(parts)
