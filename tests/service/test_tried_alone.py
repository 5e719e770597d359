"""`.ci/tried`: what failed beside others is tried alone once, and what fails alone fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TRIED = Path(__file__).parents[2] / ".ci" / "tried"
MAKEFILE = f"""\
test:
	@{sys.executable} -m pytest -q -p xdist.plugin $(ARGS)
"""
GOOD = "def test_good(): pass\n"
BAD = "def test_bad_{}(): assert 0\n"
# Fails the first time, as what another test disturbed.
ONCE = """
from pathlib import Path

def test_once():
    seen = Path("seen")
    first = not seen.exists()
    seen.touch()
    assert not first
"""


def tried(tmp_path: Path, *files: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "Makefile").write_text(MAKEFILE)
    for number, text in enumerate(files):
        (tmp_path / f"test_{number}.py").write_text(text)
    return subprocess.run(
        [TRIED, "test"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        env={
            "PATH": "/usr/bin:/bin",
            "TRIED_ALONE": str(tmp_path / "alone"),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # it is started eight times
        },
    )  # fmt: skip


def test_where_all_pass_nothing_is_tried_again(tmp_path: Path) -> None:
    done = tried(tmp_path, GOOD)
    assert done.returncode == 0
    assert "tried alone" not in done.stdout
    assert not (tmp_path / "alone").exists()


def test_what_passes_alone_is_named(tmp_path: Path) -> None:
    done = tried(tmp_path, GOOD, ONCE)
    assert done.returncode == 0
    assert "1 failed, 1 passed" in done.stdout
    assert "test_once" in (tmp_path / "alone").read_text()


def test_what_fails_alone_fails(tmp_path: Path) -> None:
    done = tried(tmp_path, GOOD, ONCE, BAD.format("alone"))
    assert done.returncode != 0
    assert "1 failed, 1 passed" in done.stdout


def test_more_than_three_failures_are_no_accident(tmp_path: Path) -> None:
    done = tried(tmp_path, ONCE, *(BAD.format(number) for number in range(3)))
    assert done.returncode != 0
    assert "tried alone" not in done.stdout


def test_what_cannot_be_collected_fails(tmp_path: Path) -> None:
    assert tried(tmp_path, GOOD, "import nothing_of_this_name\n").returncode != 0


def test_a_failure_that_names_no_test_fails(tmp_path: Path) -> None:
    assert tried(tmp_path, "").returncode != 0  # no test at all
