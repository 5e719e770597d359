"""`loregate documents`: what it adds, shows and removes, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli
from app.errors import SettingsError
from app.policies import manifests
from app.policies.trusted_documents import DocumentsInRedis
from app.redis.client import Redis
from app.settings import Settings, TrustedList
from tests.support import cli_process
from tests.support.service import SECRET

VIEWER = "query Viewer { viewer { id } }"
STORY = "mutation ($input: GenerateStoryInput!) { generateStory(input: $input) { requestId } }"
VIEWER_ID, STORY_ID = map(manifests.sha256, (VIEWER, STORY))


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder with two documents, and no variable of ours but where the list is."""
    for field in Settings.model_fields.values():
        if field.alias:
            monkeypatch.delenv(field.alias, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOREGATE_DOCUMENTS", "log:documents.json")
    (tmp_path / "viewer.graphql").write_text(f"{VIEWER}\n")
    (tmp_path / "manifest.json").write_text(json.dumps({STORY_ID: STORY, "my.viewer": VIEWER}))
    return tmp_path


def command(*words: str) -> str:
    """What the command says; fails unless it ends well."""
    found = CliRunner().invoke(cli.cli, ["documents", *words])
    assert found.exit_code == 0, found.output or found.exception
    return found.output


def refused(*words: str) -> str:
    """What the command says when it refuses, which `main` prints before exit code 1."""
    found = CliRunner().invoke(cli.cli, ["documents", *words])
    assert isinstance(found.exception, SettingsError), found.output
    return str(found.exception)


def listed(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "documents.json").read_text())
    return found


def test_documents_and_manifests_are_added_to_a_file_under_their_ids(folder: Path) -> None:
    said = command("add", "viewer.graphql", "manifest.json")
    assert said == "documents.json: 3 added, 0 were there already\n"
    assert listed(folder) == {VIEWER_ID: VIEWER, STORY_ID: STORY, "my.viewer": VIEWER}
    assert command("add", "viewer.graphql") == "documents.json: 0 added, 1 were there already\n"


def test_the_list_as_json_has_the_same_facts() -> None:
    command("add", "viewer.graphql", "manifest.json")
    told = json.loads(command("list", "--json"))
    assert told["list"] == "documents.json"
    assert {
        d["id"]: (d["characters"], d["operations"], d["problem"]) for d in told["documents"]
    } == {
        VIEWER_ID: (len(VIEWER), "query Viewer", None),
        STORY_ID: (len(STORY), "mutation", None),
        "my.viewer": (len(VIEWER), "query Viewer", None),
    }


def test_the_list_shows_ids_lengths_and_operations() -> None:
    command("add", "viewer.graphql", "manifest.json")
    rows = [line.split(maxsplit=2) for line in command("list").splitlines()]
    assert sorted(rows) == sorted(
        [
            [VIEWER_ID, str(len(VIEWER)), "query Viewer"],
            [STORY_ID, str(len(STORY)), "mutation"],
            ["my.viewer", str(len(VIEWER)), "query Viewer"],
        ]
    )


def test_an_empty_list_says_how_to_fill_it(folder: Path) -> None:
    (folder / "documents.json").write_text("{}")
    assert command("list") == (
        "documents.json: no documents; `loregate documents add FILE` adds some\n"
    )


def test_what_is_removed_is_gone_and_an_unknown_id_removes_nothing(folder: Path) -> None:
    command("add", "viewer.graphql", "manifest.json")
    said = refused("remove", VIEWER_ID, "unknown")
    assert said == (
        "documents.json: no document has the id unknown, and none was removed; "
        "`loregate documents list` shows all"
    )
    assert command("remove", f"sha256:{VIEWER_ID}", "my.viewer") == "documents.json: 2 removed\n"
    assert listed(folder) == {STORY_ID: STORY}


def test_a_document_that_does_not_fit_the_schema_adds_nothing(folder: Path) -> None:
    (folder / "bad.json").write_text(json.dumps({"good": VIEWER, "bad": "{ nothing }"}))
    said = refused("add", "bad.json")
    assert said == "bad: Cannot query field 'nothing' on type 'Query'. (line 1)"
    assert not (folder / "documents.json").exists()


def test_a_listed_document_that_no_longer_fits_is_shown_with_exit_code_1(folder: Path) -> None:
    (folder / "documents.json").write_text(json.dumps({"old": "{ gone }", "new": VIEWER}))
    found = CliRunner().invoke(cli.cli, ["documents", "list"])
    assert found.exit_code == 1
    assert "does not fit the schema: Cannot query field 'gone'" in found.output
    assert "query Viewer" in found.output


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff", "x.graphql: not UTF-8"),
        (b" \n", ": the text of a document is wanted"),
    ],
)
def test_a_file_that_is_no_document_says_so(folder: Path, content: bytes, said: str) -> None:
    (folder / "x.graphql").write_bytes(content)
    assert said in refused("add", "x.graphql")


def test_two_files_that_disagree_add_nothing(folder: Path) -> None:
    (folder / "other.json").write_text(json.dumps({"my.viewer": "{ viewer { tier } }"}))
    said = refused("add", "manifest.json", "other.json")
    assert said == "other.json: my.viewer stands in another file with another text"


def test_apollos_own_file_is_not_edited(folder: Path) -> None:
    manifest = json.dumps({"format": manifests.APOLLO, "version": 1, "operations": []})
    (folder / "documents.json").write_text(manifest)
    assert "is a manifest of Apollo's: make it anew" in refused("add", "viewer.graphql")
    assert (folder / "documents.json").read_text() == manifest


def test_without_a_list_the_command_says_where_to_name_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LOREGATE_DOCUMENTS")
    assert refused("list").startswith("LOREGATE_DOCUMENTS is off; set it, such as")
    assert command("add", "viewer.graphql", "--list", "mine.json").startswith("mine.json: 1 added")


def test_a_list_in_redis_needs_to_know_where_redis_is_and_that_it_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "REDIS_URL is needed" in refused("list", "--list", "redis")
    monkeypatch.setenv("REDIS_URL", f"unix://{tmp_path}/nobody.sock")
    assert refused("list", "--list", "redis").startswith("Redis cannot be used now: ")


async def test_documents_are_added_to_redis_and_removed_from_it(
    monkeypatch: pytest.MonkeyPatch, valkey_url: str
) -> None:
    monkeypatch.setenv("REDIS_URL", valkey_url)
    monkeypatch.setenv("LOREGATE_DOCUMENTS", "enforce")
    said = await asyncio.to_thread(command, "add", "viewer.graphql", "manifest.json")
    assert said == "redis: 3 added, 0 were there already\n"
    redis = Redis(valkey_url)
    kept = await DocumentsInRedis(redis).read()
    await redis.close()
    assert kept == {VIEWER_ID: VIEWER, STORY_ID: STORY, "my.viewer": VIEWER}
    assert await asyncio.to_thread(command, "remove", "my.viewer") == "redis: 1 removed\n"
    assert (await asyncio.to_thread(command, "list")).count("\n") == 2


@pytest.mark.parametrize("word", ["add", "list", "remove"])
def test_each_verb_explains_itself(word: str) -> None:
    assert "--list" in command(word, "--help")


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("log", TrustedList("log", "redis")),
        ("enforce:redis", TrustedList("enforce", "redis")),
        ("log:/etc/loregate/documents.json", TrustedList("log", "/etc/loregate/documents.json")),
        ("off", TrustedList()),
    ],
)
def test_trusted_documents_are_listed_in_redis_or_in_a_file(
    monkeypatch: pytest.MonkeyPatch, value: str, meant: TrustedList
) -> None:
    monkeypatch.setenv("LOREGATE_DOCUMENTS", value)
    assert Settings.load().documents == meant


@pytest.mark.parametrize("command", ["serve", "dev"])
async def test_a_wrong_list_stops_the_start_with_its_entry(folder: Path, command: str) -> None:
    (folder / "documents.json").write_text(json.dumps({"good": VIEWER, "bad": "{ nothing }"}))
    code, _, said = await cli_process.run(
        folder,
        command,
        LOREGATE_DOCUMENTS="enforce:documents.json",
        LOREGATE_JWT_SECRET=SECRET,
        LOREGATE_PORT=str(cli_process.free_port()),
        REDIS_URL="redis://127.0.0.1:1",
    )
    assert code == 1
    assert said.strip().splitlines()[-1] == (
        "loregate: LOREGATE_DOCUMENTS: documents.json: bad: "
        "Cannot query field 'nothing' on type 'Query'. (line 1)"
    )
