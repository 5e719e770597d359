"""`.ci/audit.py`: what is known is an error, and what cannot be looked up is said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

AUDIT = Path(__file__).parents[2] / ".ci" / "audit.py"
KNOWN = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2.0"]}


def audit(tmp_path: Path, told: str) -> subprocess.CompletedProcess[str]:
    """The audit of what a `pip-audit` says that prints this."""
    program = tmp_path / "pip-audit"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{told}\nEND\n")
    program.chmod(0o755)
    command = [sys.executable, AUDIT, program, "constraints.txt"]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def dependencies(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def package(name: str, *vulns: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": list(vulns)}


def test_a_known_vulnerability_fails_and_is_named_with_what_mends_it(tmp_path: Path) -> None:
    done = audit(tmp_path, dependencies(package("good"), package("bad", KNOWN)))
    assert done.returncode == 1
    assert "bad 1.0: PYSEC-2026-1 CVE-2026-1, mended in 2.0" in done.stdout


def test_without_one_it_passes_and_says_how_many_were_looked_up(tmp_path: Path) -> None:
    done = audit(tmp_path, dependencies(package("one"), package("two")))
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 packages looked up, 0 known vulnerabilities" in done.stdout


def test_what_is_not_listed_is_named(tmp_path: Path) -> None:
    unlisted = {"name": "ours", "skip_reason": "not found"}
    assert "NOT LOOKED UP: ours" in audit(tmp_path, dependencies(package("a"), unlisted)).stdout


def test_without_the_list_nothing_fails_and_it_is_said_loudly(tmp_path: Path) -> None:
    nothing = dependencies({"name": "a", "skip_reason": "not found"})
    for told in (nothing, "no JSON", dependencies()):
        done = audit(tmp_path, told)
        assert done.returncode == 0
        assert done.stdout.startswith("NOT AUDITED"), told
