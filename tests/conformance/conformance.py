"""Conformance: whether a server speaks `graphql-transport-ws`, case by case, at any URL.

`python conformance.py --url ws://localhost:4000/graphql`. This folder and the package `websockets`
are all that it takes, on Python 3.11 or newer; README.md explains the rest. It ends with 1 when a
case of the levels MUST or SHOULD failed, and with 2 when it was called wrongly.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from cases import Case, Target, load_cases
from play import Outcome, judge_all

DOCUMENTS = {
    "query": "a query that answers with data; by default { __typename }",
    "invalid": "a document that does not fit the schema; a default is there",
    "mutation": "a mutation that answers with data",
    "subscription": "a subscription to which nothing happens for a minute",
    "subscription-that-ends": "a subscription that gives results, then completes by itself",
    "slow-query": "a query that takes 0.5 to 1.5 s",
    "failing-query": "a query whose resolver fails",
    "failing-subscription": "a subscription whose stream fails",
}
DEFAULTS = {"query": "{ __typename }", "invalid": "{ noFieldHasThisName }"}
INITS = {
    "init-payload": "payload of connection_init, as JSON",
    "rejected-init": "payload of a connection_init that the server rejects, as JSON",
    "crashing-init": "payload of a connection_init at which the server's own code fails, as JSON",
}
SIGNS = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", required=True, help="ws:// or wss://")
    parser.add_argument(
        "--header", action="append", default=[], help="of the handshake: 'Name: value'"
    )
    parser.add_argument(
        "--token", help='the same as --init-payload \'{"Authorization": "Bearer …"}\''
    )
    for name, meaning in INITS.items():
        parser.add_argument(f"--{name}", metavar="JSON", type=json.loads, help=meaning)
    for name, meaning in DOCUMENTS.items():
        said = f"{meaning}; a document, or a payload of subscribe as JSON"
        parser.add_argument(f"--{name}", metavar="GRAPHQL", default=DEFAULTS.get(name), help=said)
    parser.add_argument("--init-timeout", type=float, default=10, help="s; 0 leaves its cases out")
    parser.add_argument("--timeout", type=float, default=5, help="s for whatever is expected")
    parser.add_argument("--jobs", type=int, default=4, help="cases at once")
    parser.add_argument("--only", default="", help="beginnings of ids, with commas between them")
    parser.add_argument(
        "--except", dest="excluded", default="", help="such whose cases are left out"
    )
    parser.add_argument("--json", action="store_true", help="outcomes as JSON instead of a table")
    parser.add_argument("--verbose", action="store_true", help="show what passed, too")
    return parser.parse_args(given)


def payload(document: str) -> Any:
    """A document as the payload of `subscribe`; JSON is one already."""
    try:
        found = json.loads(document)
    except ValueError:
        return {"query": document}
    return found if isinstance(found, dict) else {"query": document}


def target(given: argparse.Namespace) -> Target:
    options = vars(given)
    values = {n: options[n.replace("-", "_")] for n in (*INITS, *DOCUMENTS)}
    values = {n: v if n in INITS else payload(v) for n, v in values.items() if v is not None}
    init = {"Authorization": f"Bearer {given.token}"} if given.token else {}
    values = {"init-payload": init, "null": None, **values}
    headers = dict(header.split(": ", 1) for header in given.header)
    return Target(given.url, values, headers, given.init_timeout, given.timeout)


def chosen(cases: Iterable[Case], only: str, excluded: str) -> list[Case]:
    def named(case: Case, words: str) -> bool:
        return any(case.id.startswith(word) for word in words.split(",") if word)

    return [c for c in cases if (named(c, only) or not only) and not named(c, excluded)]


def table(outcomes: list[Outcome], cases: list[Case], verbose: bool) -> str:
    """What failed and what was skipped, section by section; with `verbose` also what passed."""
    lines, section, proves = [], "", {case.id: case.proves for case in cases}
    for outcome in sorted(outcomes, key=lambda o: o.section):
        if outcome.status == "passed" and not verbose:
            continue
        if outcome.section != section:
            section = outcome.section
            lines += ["", section]
        lines.append(f"  {SIGNS[outcome.status]} {outcome.level:6} {outcome.id}")
        if outcome.status == "failed":
            lines += [
                f"       must hold: {proves[outcome.id]}",
                f"       it did not: {outcome.reason}",
            ]
        elif outcome.reason:
            lines.append(f"       {outcome.reason}")
    counts = Counter((o.level, o.status) for o in outcomes)
    for level in ("MUST", "SHOULD", "MAY"):
        of = ", ".join(f"{counts[level, s]} {s}" for s in SIGNS if counts[level, s])
        lines += [f"{level:6} {of}"] if of else []
    return "\n".join(["", *lines] if section == "" else lines)


def main() -> int:
    given = arguments()
    against = target(given)
    cases = chosen(load_cases(), given.only, given.excluded)
    if not cases:
        print("no case has such an id", file=sys.stderr)
        return 2
    outcomes = asyncio.run(judge_all(cases, against, given.jobs))
    if given.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))
    else:
        print(table(outcomes, cases, given.verbose))
    bad = [o for o in outcomes if o.status == "failed" and o.level != "MAY"]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
