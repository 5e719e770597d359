"""The tree of errors that `app.errors` draws is the one that the code has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from app import errors

ROOT = Path(__file__).parents[2]

# In a process of its own: here, classes that other tests make would be found too.
WALK = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
from app.errors import GatewayError

def walk(kind):
    for below in kind.__subclasses__():
        raised = below.status != 500 or "status" in vars(below) or not below.__subclasses__()
        says = f"{below.status} {below.code}" if raised else ""
        place = "" if below.__module__ == "app.errors" else below.__module__
        print(" ".join([kind.__name__, below.__name__, says, place]).strip())
        walk(below)

walk(GatewayError)
"""
ENTRY = re.compile(r"^ {4}((?:│   |    )*)[├└]── (\w+) *(.*)$", re.MULTILINE)


def drawn() -> set[str]:
    """One line a class: what it derives from, its name, status, code, and where it stands."""
    above, found = ["GatewayError"], set()
    for indent, name, says in ENTRY.findall(errors.__doc__ or ""):
        depth = len(indent) // 4
        del above[depth + 1 :]
        found.add(" ".join([above[depth], name, *says.split()]))
        above.append(name)
    return found


def test_the_drawn_tree_of_errors_is_the_real_one() -> None:
    files = (
        p.relative_to(ROOT) for room in ("app", "resolvers") for p in (ROOT / room).rglob("*.py")
    )
    modules = [".".join(f.with_suffix("").parts) for f in files if "migrations" not in f.parts]
    walked = subprocess.run(
        [sys.executable, "-c", WALK, *modules], capture_output=True, text=True, check=True
    )
    assert drawn() == {" ".join(line.split()) for line in walked.stdout.splitlines()}
