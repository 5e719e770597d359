#!/usr/bin/env python3
"""Look the dependencies up in PyPI's list of known vulnerabilities.

    .ci/audit.py PIP_AUDIT CONSTRAINTS

Fails for a vulnerability that is known; a list that cannot be had is no failure, and said loudly.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

PATIENCE = 300  # s for all packages
# Vulnerabilities that do not reach us: the identifier, and why. Empty is how it should be.
ACCEPTED: dict[str, str] = {}


def report(command: list[str]) -> list[dict[str, Any]] | str:
    """What is told of each package, or why nothing is."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except FileNotFoundError:
        return f"{command[0]} is not there"
    except subprocess.TimeoutExpired:
        return f"no answer within {PATIENCE} s"
    except (json.JSONDecodeError, KeyError):
        last = done.stderr.strip().splitlines()
        return last[-1] if last else f"pip-audit ended with {done.returncode}"
    return found


def main(pip_audit: str, constraints: str) -> int:
    found = report([pip_audit, "-r", constraints, "--no-deps", "--disable-pip", "-f", "json"])
    if isinstance(found, str):
        return skipped(found)
    looked_up = [p for p in found if "vulns" in p]
    if not looked_up:
        return skipped(found[0]["skip_reason"] if found else "it names no package")
    bad = [
        (p["name"], p["version"], vuln)
        for p in looked_up
        for vuln in p["vulns"]
        if not {vuln["id"], *vuln["aliases"]} & ACCEPTED.keys()
    ]
    for name, version, vuln in bad:
        mended = ", ".join(vuln["fix_versions"]) or "no version yet"
        print(f"{name} {version}: {vuln['id']} {' '.join(vuln['aliases'])}, mended in {mended}")
    unknown = [p["name"] for p in found if "vulns" not in p]
    if unknown:
        print(f"NOT LOOKED UP: {', '.join(unknown)}")
    print(f"{len(looked_up)} packages looked up, {len(bad)} known vulnerabilities")
    return int(bool(bad))


def skipped(why: str) -> int:
    print(f"NOT AUDITED: the list of known vulnerabilities cannot be had ({why})")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
