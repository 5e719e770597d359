"""Every code block of the README and the documentation is run, or at least checked."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from graphql import LoneAnonymousOperationRule, parse, specified_rules, validate

from app.config_file import ConfigFile
from tests.support.cli_process import CliProcess
from tests.support.doc_blocks import (
    MARKS,
    OPENING,
    PAGES,
    ROOT,
    Block,
    blocks,
    blocks_of,
    shown,
    unfenced,
)
from tests.support.graphql_schema import BUILT
from tests.support.snippets import EMBEDDED

PROSE = {"text", "http", "mermaid", "{toctree}"}  # what nobody runs
CHECKED = {"sh", "json", "graphql", "python", "js", "toml", "yaml", "html"}
RULES = [rule for rule in specified_rules if rule is not LoneAnonymousOperationRule]
REFUSED = re.compile(r'"errors"|"code"\s*:')
PATIENCE = 40.0  # s for one block
# The README's commands are tried by `make test`, those of the other pages by `make test-docs`.
PAGES_THAT_RUN = [
    pytest.param(page, marks=[] if page.name == "README.md" else pytest.mark.docs)
    for page in PAGES
    if any(block.language == "sh" and block.mark != "unrun" for block in blocks_of(page))
]


def name(block: Block | Path) -> str:
    return str(block.relative_to(ROOT)) if isinstance(block, Path) else str(block)


# -- that each is known
def test_every_block_names_its_language_and_its_mark_is_one() -> None:
    assert [str(b) for b in blocks() if b.language not in PROSE | CHECKED] == []
    assert [str(b) for b in blocks() if b.mark not in (None, *MARKS)] == []
    assert [str(b) for b in blocks() if b.mark and not b.said.strip()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_code_stands_outside_of_a_fence(page: Path) -> None:
    assert unfenced(page.read_text()) == []


def test_code_outside_of_a_fence_is_seen() -> None:
    assert unfenced("Run it:\n\n    python serve.py\n\nand see.\n")
    assert not unfenced("```sh\n\n    indented\n```\n")


# -- those that are read
@pytest.mark.parametrize("block", blocks("json"), ids=name)
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("block", blocks("graphql"), ids=name)
def test_graphql_fits_the_schema(block: Block) -> None:
    assert validate(BUILT, parse(block.text), RULES) == []


@pytest.mark.parametrize("block", blocks("python"), ids=name)
def test_python_compiles(block: Block) -> None:
    compile(block.text, str(block), "exec")


@pytest.mark.parametrize("block", blocks("toml"), ids=name)
def test_toml_is_what_the_gateway_reads(block: Block, tmp_path: Path) -> None:
    (tmp_path / "loregate.toml").write_text(block.text)
    ConfigFile.read(tmp_path / "loregate.toml")
    assert tomllib.loads(block.text)


@pytest.mark.parametrize("block", blocks("yaml"), ids=name)
def test_yaml_is_yaml(block: Block) -> None:
    assert yaml.safe_load(block.text)


@pytest.mark.parametrize("block", blocks("js"), ids=name)
def test_javascript_can_be_parsed(block: Block, tmp_path: Path) -> None:
    if (node := shutil.which("node")) is None:
        pytest.skip("needs node")
    script = tmp_path / "block.mjs"
    script.write_text(block.text)
    done = subprocess.run([node, "--check", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", blocks("sh"), ids=name)
def test_a_command_can_be_parsed(block: Block) -> None:
    done = subprocess.run(
        ["bash", "-n"], input=block.text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# -- those that are files
EXAMPLES = [b for b in blocks() if b.mark == "example"]


@pytest.mark.parametrize("block", EXAMPLES, ids=name)
def test_an_example_is_the_text_of_its_file(block: Block) -> None:
    assert block.text == shown(ROOT / block.said)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_a_block_that_is_an_examples_says_so(page: Path) -> None:
    files = [shown(p) for s in OPENING for p in (ROOT / "examples").glob(f"*{s}")]
    assert [str(b) for b in blocks_of(page) if b.text in files and b.mark != "example"] == []


# -- those that run
@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that looks like the repository's to who pastes commands into it."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for entry in ("examples", "clients", "schema.graphql", "Makefile"):
        (tmp_path / entry).symlink_to(ROOT / entry)
    return tmp_path


@pytest.mark.parametrize("page", PAGES_THAT_RUN, ids=name)
def test_a_pages_commands_work_when_they_are_pasted(
    page: Path, gateway: CliProcess, folder: Path
) -> None:
    exports = ""
    for block in (b for b in blocks_of(page) if b.language == "sh"):
        if block.mark != "unrun":
            text = block.text.replace(EMBEDDED, gateway.url.removeprefix("http://"))
            run(block, exports + text, folder, gateway)
            exports += "".join(re.findall(r"^export .*\n", text, re.M))


def run(block: Block, script: str, folder: Path, gateway: CliProcess) -> None:
    """Paste it; it must end well and print what its mark says, or no error's code."""
    data = gateway.output.parent / ".loregate"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LOREGATE_DATA_DIR": str(data),
        "LOREGATE_URL": gateway.url,  # the commands would ask 127.0.0.1:8100
        "TOKEN": gateway.token,
        "PYTHONUNBUFFERED": "1",
    }
    command = ["bash", "-eo", "pipefail", "-c", script]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=-1, stderr=-2, text=True, process_group=0
    ) as process:
        printed = until(process, block.said) if block.mark == "until" else whole(process)
    told = f"{block}\n{script}\n{printed}"
    if block.mark in ("until", "prints"):
        assert re.search(block.said, printed), told
    else:
        assert not REFUSED.search(printed), told
    assert block.mark == "until" or process.returncode == 0, told


def whole(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=PATIENCE)[0]


def until(process: subprocess.Popen[str], pattern: str) -> str:
    """What it printed up to there, when it is ended."""
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if re.search(pattern, printed):
            break
    os.killpg(process.pid, 9)
    return printed
