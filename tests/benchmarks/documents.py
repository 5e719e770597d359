"""What a document's cost takes to count, and what a list of trusted documents takes.

    .venv/bin/python -m tests.benchmarks.documents [--documents 2000]

No service runs. Times are the best of several, on one core; memory is the process's own.
"""

from __future__ import annotations

import argparse
import resource
import time
import timeit
from typing import Any

from resolvers import schema, trusted_documents
from resolvers.documents import Documents

FIELDS = "contentId contentType createdAt metadata { modelUsed tokenUsage { totalTokens } }"
DOCUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a content by id": (f'{{ content(id: "1") {{ {FIELDS} }} }}', {}),
    "a page, its length a variable": (
        f"query ($n: Int!) {{ contents(first: $n) {{ edges {{ node {{ {FIELDS} }} }} }} }}",
        {"n": 50},
    ),
    "children of children, two variables": (
        'query ($n: Int!, $m: Int!) { content(id: "1") { children(first: $n) {'
        " children(first: $m) { contentId } } } }",
        {"n": 20, "m": 2},
    ),
    "a batch of 20": (
        "mutation ($r: [BatchRequest!]!) { generateBatch(requests: $r) { results { content {"
        f" {FIELDS} ... on ContentValidation {{ results {{ issues {{ message }} }} }} }} }} }} }}",
        {"r": [{"story": {}}] * 20},
    ),
}


def best(work: Any, number: int) -> float:
    """Seconds that one call takes."""
    return min(timeit.repeat(work, number=number, repeat=5)) / number


def resident() -> float:
    """MB that the process had at the most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def costs(documents: Documents) -> None:
    for name, (text, variables) in DOCUMENTS.items():
        document = documents.parsed(text)
        [operation] = document.node.definitions
        cost: Any = document.operation(None).cost
        made = best(lambda d=document, o=operation: d.costs.of(d.node, o), 20)
        read = best(lambda t=text: documents.parsed(t), 20)
        counted = best(lambda c=cost, v=variables: c.of(v), 2_000)
        print(
            f"{name:36} costs {cost.of(variables):6}: counted in {counted * 1e6:5.1f} µs, "
            f"its formula made in {made * 1e3:.2f} ms, the document read in {read * 1e3:.2f} ms"
        )


def listed(documents: Documents, count: int) -> None:
    texts = [text for text, _ in DOCUMENTS.values()]
    many = {f"d{n}": f"{texts[n % len(texts)]} # {n}" for n in range(count)}
    before, began = resident(), time.perf_counter()
    found, _ = trusted_documents.listed(documents, many)
    took = time.perf_counter() - began
    print(
        f"{len(found)} listed documents: {took / count * 1e3:.2f} ms and "
        f"{(resident() - before) * 1024 / count:.0f} KB each, {took:.1f} s in all"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=2_000)
    documents = trusted_documents.reader(schema.build())
    costs(documents)
    listed(documents, parser.parse_args().documents)


if __name__ == "__main__":
    main()
