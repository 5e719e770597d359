"""Cases: what cases.toml holds, what a server adds to it, and when a message fits a pattern."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CASES = Path(__file__).with_name("cases.toml")
PATTERNS = ("$filled", "$absent", "$object", "$array")


@dataclass(frozen=True)
class Target:
    """A server, and what its schema and its settings call for."""

    url: str
    values: dict[str, Any]  # what stands for `$query`, `$init-payload` …
    headers: dict[str, str] = field(default_factory=dict)
    init_timeout: float = 10.0  # s that the server waits for connection_init; 0: not tried
    timeout: float = 5.0  # s for whatever else is expected


@dataclass(frozen=True)
class Case:
    id: str
    section: str  # of PROTOCOL.md, unless it names another source
    level: str  # MUST, SHOULD or MAY
    proves: str
    steps: list[dict[str, Any]]
    begin: str = "acknowledged"  # or `open`: before connection_init; or `none`: not connected
    needs: tuple[str, ...] = ()


def substituted(node: Any, values: dict[str, Any]) -> Any:
    """The node with each `$name` that has a value replaced by it."""
    if isinstance(node, dict):
        return {k: substituted(v, values) for k, v in node.items()}
    if isinstance(node, list):
        return [substituted(item, values) for item in node]
    return values.get(node[1:], node) if isinstance(node, str) and node[:1] == "$" else node


def load_cases(path: Path = CASES) -> Iterator[Case]:
    """Every case of the file; one with variants is a case for each of them."""
    for raw in tomllib.loads(path.read_text(encoding="utf-8"))["case"]:
        variants = raw.pop("variants", None)
        raw["needs"] = tuple(raw.get("needs", ()))
        for name, variant in (variants or {"": None}).items():
            identity = variant.get("id") if isinstance(variant, dict) else None
            values = {"variant": variant, "variant-id": identity}
            steps = substituted(raw["steps"], values) if variants else raw["steps"]
            yield Case(**{**raw, "id": f"{raw['id']}/{name}".rstrip("/"), "steps": steps})


def missing(case: Case, target: Target) -> list[str]:
    """What the case needs and the target does not give."""

    def words(node: Any) -> Iterator[str]:
        if isinstance(node, dict | list):
            for item in node.values() if isinstance(node, dict) else node:
                yield from words(item)
        elif isinstance(node, str) and node[:1] == "$" and node not in PATTERNS:
            yield node[1:]

    waits = any("init-timeout" in (s.get("within"), s.get("wait")) for s in case.steps)
    wanted = {f"--{word}" for word in words(case.steps) if word not in target.values}
    if waits and not target.init_timeout:
        wanted.add("--init-timeout")
    if "open-init" in case.needs and (target.values["init-payload"] or target.headers):
        wanted.add("a server that asks for no payload")
    return sorted(wanted)


def mismatch(pattern: Any, value: Any, where: str = "") -> str | None:
    """Where the value does not fit the pattern, of whose objects it may have more members."""
    if isinstance(pattern, dict):
        if not isinstance(value, dict):
            return f"{where or 'it'} is no object"
        absent = [k for k, p in pattern.items() if k not in value and p != "$absent"]
        pairs = [(p, value[k], f"{where}.{k}".strip(".")) for k, p in pattern.items() if k in value]
        wrong = (mismatch(*pair) for pair in pairs)
        return f"{where}.{absent[0]} is absent" if absent else next(filter(None, wrong), None)
    fits = {
        "$filled": isinstance(value, str | list | dict) and bool(value),
        "$object": isinstance(value, dict),
        "$array": isinstance(value, list),
        "$absent": False,
    }.get(pattern if isinstance(pattern, str) else "", pattern == value)
    return None if fits else f"{where} is {json.dumps(value)[:80]}, not {pattern}"
