"""What FastAPI's generator would say of the operations' routes, beside our OpenAPI document.

    .venv/bin/pip install --no-deps --target build/fastapi \
        fastapi==0.163.2 annotated-doc opentelemetry-api
    PYTHONPATH=build/fastapi .venv/bin/python -m tests.benchmarks.openapi_documents

FastAPI is no dependency of the project. It is given what a declaration holds: the models, a name,
a title and a description.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI

from app.operations import OPERATIONS, Operation
from app.rest import openapi
from app.rest.openapi import openapi_document

FILES = sorted(Path(openapi.__file__).parent.glob("openapi*.py"))


def theirs() -> dict[str, Any]:
    app = FastAPI(title="Loregate REST v2", version="2")
    for operation in OPERATIONS.values():
        app.add_api_route(
            operation.path,
            endpoint(operation),
            methods=["POST"],
            response_model=operation.answer_type,
            operation_id=operation.name,
            summary=operation.title,
            description=f"Needs the permission `{operation.permission}`.",
        )
    return app.openapi()


def endpoint(operation: Operation[Any, Any]) -> Callable[..., Any]:
    async def route(body: Any) -> None: ...

    route.__annotations__ = {"body": operation.request_type}
    return route


def told(make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    began = time.perf_counter()
    document = make()
    elapsed = time.perf_counter() - began
    paths = {o.path for o in OPERATIONS.values()}
    posts = [path["post"] for name, path in document["paths"].items() if name in paths]
    statuses = {status for post in posts for status in post["responses"]}
    return {
        "ms to make": round(elapsed * 1000),
        "bytes": len(orjson.dumps(document)),
        "paths": len(document["paths"]),
        "statuses of an operation": " ".join(sorted(statuses)),
        "headers of a request that are named": max(len(p.get("parameters", ())) for p in posts),
        "headers of an answer that are named": max(
            len(p["responses"]["200"].get("headers", ())) for p in posts
        ),
        "media types of an answer": max(len(p["responses"]["200"]["content"]) for p in posts),
    }


def main() -> None:
    lines = sum(len(file.read_text().splitlines()) for file in FILES)
    print(f"pydantic {version('pydantic')}; ours has {lines} lines\n")
    ours, fastapi = told(openapi_document), told(theirs)
    print(f"| | ours | FastAPI {version('fastapi')} |\n|---|---|---|")
    for what in ours:
        print(f"| {what} | {ours[what]} | {fastapi[what]} |")


if __name__ == "__main__":
    main()
