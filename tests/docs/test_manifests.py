"""The manifests in deploy/ and Compose: well-formed, and their times fit the gateway's own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.server import GRACEFUL_TIMEOUT, KILL_TIMEOUT
from app.settings import Settings
from app.shutdown import FAREWELL_TIMEOUT

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
STOPPING = FAREWELL_TIMEOUT + GRACEFUL_TIMEOUT + KILL_TIMEOUT  # s at the most
KUBERNETES = "1.34"  # the oldest whose `sleep` of preStop is stable


def objects() -> dict[str, Any]:
    """The manifests' objects, by their kind."""
    found = [o for path in MANIFESTS for o in yaml.safe_load_all(path.read_text())]
    return {o["kind"]: o for o in found}


def pod() -> dict[str, Any]:
    found: dict[str, Any] = objects()["Deployment"]["spec"]["template"]["spec"]
    return found


def gateway() -> dict[str, Any]:
    [found] = pod()["containers"]
    return dict(found)


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return found


def test_a_pod_and_a_compose_service_have_time_to_stop_in_good_order() -> None:
    waited = gateway()["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod()["terminationGracePeriodSeconds"] > waited + STOPPING
    given = compose()["services"]["gateway"]["stop_grace_period"]
    assert int(given.removesuffix("s")) > STOPPING


def test_the_guide_tells_the_times_of_the_code() -> None:
    guide = (ROOT / "docs" / "guides" / "production.md").read_text()
    rows = dict(re.findall(r"^\| ([^|]+) \| (\d+) \|", guide, re.M))
    waited = gateway()["lifecycle"]["preStop"]["sleep"]["seconds"]
    told = [waited, FAREWELL_TIMEOUT, GRACEFUL_TIMEOUT, KILL_TIMEOUT]
    assert [int(s) for s in rows.values()] == [*told, pod()["terminationGracePeriodSeconds"]]
    assert f"their sum, {sum(told):g}," in guide


def test_an_image_is_taken_by_its_digest() -> None:
    """A tag can be moved to another image; what a digest names cannot be changed."""
    docker = (ROOT / "Dockerfile").read_text()
    [base] = re.findall(r"^ARG PYTHON=(\S+)", docker, re.M)
    assert set(re.findall(r"^FROM (\S+)", docker, re.M)) == {"${PYTHON}"}
    services = compose()["services"].values()
    for image in (base, *(s["image"] for s in services if "build" not in s)):
        assert re.fullmatch(r"[a-z/]+:[\w.-]+@sha256:[0-9a-f]{64}", image), image


def test_the_container_is_not_roots_and_cannot_write_to_its_own_code() -> None:
    docker = (ROOT / "Dockerfile").read_text()
    [user] = re.findall(r"^USER (\d+):(\d+)$", docker, re.M)
    assert user == (str(pod()["securityContext"]["runAsUser"]),) * 2 != ("0", "0")
    assert compose()["services"]["gateway"]["read_only"] is True
    assert gateway()["securityContext"]["readOnlyRootFilesystem"] is True


def test_probes_ask_what_is_served() -> None:
    asked = {name: gateway()[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness")}
    assert {probe["path"] for probe in asked.values()} == {"/health/live"}
    assert gateway()["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    port, metrics = gateway()["ports"]
    address = objects()["ConfigMap"]["data"]["LOREGATE_METRICS_ADDRESS"]
    told = objects()["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    scraped = str(metrics["containerPort"])
    assert scraped == told["prometheus.io/port"] == address.rpartition(":")[2]
    assert port["containerPort"] == Settings().port
    assert {probe["port"] for probe in asked.values()} == {port["name"]}


def test_a_pods_settings_are_settings_and_count_its_replicas() -> None:
    given = objects()["ConfigMap"]["data"]
    assert Settings(**given).host == given["LOREGATE_HOST"]
    known = {f.alias for f in Settings.model_fields.values()}
    assert given.keys() <= known
    assert int(given["LOREGATE_REPLICAS"]) == objects()["Deployment"]["spec"]["replicas"]
    assert pod()["enableServiceLinks"] is False


def test_compose_has_no_default_password_and_publishes_the_gateway_alone_on_loopback() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert set(re.findall(r"\$\{(\w*(?:PASSWORD|SECRET))(?!:\?)", text)) == set()
    assert re.findall(r"(?:PASSWORD|SECRET):-[^}]", text) == []
    services = compose()["services"]
    assert [name for name, given in services.items() if "ports" in given] == ["gateway"]
    [published] = services["gateway"]["ports"]
    assert published.startswith("${LOREGATE_BIND:-127.0.0.1}:")
    assert "--requirepass" in services["valkey"]["command"]
    for given in services.values():
        assert {"mem_limit", "cpus", "pids_limit"} <= given.keys()


def test_selectors_find_the_pods() -> None:
    labels = objects()["Deployment"]["spec"]["template"]["metadata"]["labels"]
    found = objects()
    assert found["Service"]["spec"]["selector"] == labels
    for kind, name in (("Deployment", "selector"), ("PodDisruptionBudget", "selector")):
        assert found[kind]["spec"][name]["matchLabels"] == labels
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels


@pytest.mark.docs
@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda p: p.name)
def test_a_manifest_fits_the_schemas_of_kubernetes(manifest: Path) -> None:
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "-k", KUBERNETES]
    done = subprocess.run(
        [*command, manifest], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
