"""What is installed is what stands in the tree: data files too."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", ["app", "resolvers"])
def test_every_data_file_is_part_of_the_package(package: str) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packed = {p for glob in settings["package-data"][package] for p in (ROOT / package).glob(glob)}
    found = {p for p in (ROOT / package).rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert {p for p in found if p.suffix != ".py"} - packed == set()
