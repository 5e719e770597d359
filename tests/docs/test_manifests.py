"""The manifests in deploy/ and Compose: well-formed, and their times fit the gateway's own."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.server import GRACEFUL_TIMEOUT, KILL_TIMEOUT
from app.settings import Settings
from app.shutdown import FAREWELL_TIMEOUT
from tests.support.npm_clients import NpmClients
from tests.support.promql import asked

ROOT = Path(__file__).parents[2]
KUBERNETES_FILES = ROOT / "deploy" / "kubernetes"
MANIFEST = KUBERNETES_FILES / "loregate.yaml"
MONITORING = KUBERNETES_FILES / "monitoring"
STOPPING = FAREWELL_TIMEOUT + GRACEFUL_TIMEOUT + KILL_TIMEOUT  # s at the most
KUBERNETES = "1.34"  # the oldest whose `sleep` of preStop is stable


def objects() -> dict[str, Any]:
    """The manifest's objects, by their kind."""
    return {o["kind"]: o for o in yaml.safe_load_all(MANIFEST.read_text())}


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
    scaled = objects()["HorizontalPodAutoscaler"]["spec"]
    assert int(given["LOREGATE_REPLICAS"]) == scaled["maxReplicas"]  # or shares exceed a limit
    assert "replicas" not in objects()["Deployment"]["spec"]  # an apply would undo the autoscaler
    assert pod()["enableServiceLinks"] is False


def test_compose_has_no_default_password_and_publishes_nothing_but_on_loopback() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert set(re.findall(r"\$\{(\w*(?:PASSWORD|SECRET))(?!:\?)", text)) == set()
    assert re.findall(r"(?:PASSWORD|SECRET):-[^}]", text) == []
    services = compose()["services"]
    published = {name: given["ports"] for name, given in services.items() if "ports" in given}
    assert published.keys() == {"gateway", "prometheus", "grafana"}
    assert published["gateway"][0].startswith("${LOREGATE_BIND:-127.0.0.1}:")
    # They ask nobody who they are, so nothing may move them to another address.
    assert published["prometheus"][0].startswith("127.0.0.1:")
    assert published["grafana"][0].startswith("127.0.0.1:")
    assert "--requirepass" in services["valkey"]["command"]
    for given in services.values():
        assert {"mem_limit", "cpus", "pids_limit"} <= given.keys()
        assert given["read_only"] is True


def test_compose_starts_prometheus_and_grafana_only_when_asked() -> None:
    services = compose()["services"]
    asked = {name for name, given in services.items() if given.get("profiles") == ["observe"]}
    assert asked == {"prometheus", "grafana"}
    for name, given in services.items():
        assert name in asked or not asked & set(given.get("depends_on", ()))


def test_prometheus_of_compose_asks_the_gateway_where_it_tells() -> None:
    services = compose()["services"]
    told = services["gateway"]["environment"]["LOREGATE_METRICS_ADDRESS"]
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    [job] = config["scrape_configs"]
    [target] = job["static_configs"][0]["targets"]
    assert target == f"gateway:{told.rpartition(':')[2]}"
    assert "./deploy/prometheus:/etc/prometheus:ro" in services["prometheus"]["volumes"]


def test_grafana_of_compose_has_no_account_and_cannot_be_changed_by_who_looks() -> None:
    grafana = compose()["services"]["grafana"]["environment"]
    assert grafana["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert grafana["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert grafana["GF_AUTH_DISABLE_LOGIN_FORM"] == grafana["GF_AUTH_ANONYMOUS_ENABLED"] == "true"


def test_selectors_find_the_pods() -> None:
    labels = objects()["Deployment"]["spec"]["template"]["metadata"]["labels"]
    found = objects()
    assert found["Service"]["spec"]["selector"] == labels
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert found[kind]["spec"]["selector"]["matchLabels"] == labels
    scraped = yaml.safe_load((MONITORING / "scraping.yaml").read_text())["spec"]
    assert scraped["selector"]["matchLabels"] == labels
    assert labels[scraped["jobLabel"]] == "loregate"  # the job that the alerts ask for
    assert scraped["podMetricsEndpoints"][0]["port"] == gateway()["ports"][1]["name"]
    assert found["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels


def test_metrics_are_let_in_from_monitoring_alone_and_443_goes_to_nothing_inside() -> None:
    policy = objects()["NetworkPolicy"]["spec"]
    by_port = {rule["ports"][0]["port"]: rule for rule in policy["ingress"]}
    [monitoring] = by_port["metrics"]["from"]
    assert monitoring["namespaceSelector"]["matchLabels"] == {
        "kubernetes.io/metadata.name": "monitoring"
    }
    assert all(rule["from"] for rule in policy["ingress"])
    [providers] = [rule for rule in policy["egress"] if rule["ports"] == [{"port": 443}]]
    closed = {network for to in providers["to"] for network in to["ipBlock"].get("except", ())}
    assert {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"} <= closed
    assert all(rule["to"] for rule in policy["egress"])


def test_the_load_that_pods_are_scaled_by_is_made_of_what_a_gateway_tells() -> None:
    by_load, by_processor = yaml.safe_load((MONITORING / "autoscaling.yaml").read_text())["spec"][
        "metrics"
    ]
    assert [by_processor] == objects()["HorizontalPodAutoscaler"]["spec"]["metrics"]
    values = ROOT / "deploy" / "prometheus-adapter" / "values.yaml"
    [rule] = yaml.safe_load(values.read_text())["rules"]["custom"]
    assert by_load["pods"]["metric"]["name"] == rule["name"]["as"]
    expression = rule["metricsQuery"]
    for place, given in (("<<.GroupBy>>", "pod"), ("<<.LabelMatchers>>", 'namespace="x"')):
        assert place in expression
        expression = expression.replace(place, given)
    found = {series.name for series in asked(expression)}
    assert found == {"loregate_model_calls_running", "loregate_model_calls_waiting"}


def kustomized() -> list[dict[str, Any]]:
    """What `kubectl apply -k` would send."""
    if shutil.which("kubectl") is None:
        pytest.skip("needs kubectl")
    done = subprocess.run(
        ["kubectl", "kustomize", KUBERNETES_FILES],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return list(yaml.safe_load_all(done.stdout))


@pytest.mark.docs
def test_the_folder_adds_monitoring_and_changes_nothing_but_what_pods_are_scaled_by() -> None:
    found = {o["kind"]: o for o in kustomized()}
    assert found.keys() - objects().keys() == {"PodMonitor", "PrometheusRule"}
    changed = {kind for kind, o in objects().items() if o != found[kind]}
    assert changed == {"HorizontalPodAutoscaler"}


@pytest.mark.docs
@pytest.mark.parametrize("whole", [False, True], ids=["file", "folder"])
def test_the_manifests_fit_the_schemas_of_kubernetes(tmp_path: Path, whole: bool) -> None:
    """Of the folder without what is the operator's."""
    path = MANIFEST
    if whole:
        own = [o for o in kustomized() if o["kind"] in objects()]
        path = tmp_path / "folder.yaml"
        path.write_text(yaml.safe_dump_all(own))
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "-k", KUBERNETES]
    done = subprocess.run(
        [*command, path], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.docs
async def test_the_objects_for_the_operator_fit_its_schemas(
    tmp_path: Path, manifest_schemas: NpmClients
) -> None:
    names = ("scraping.yaml", "alerts.yaml")
    found = [yaml.safe_load((MONITORING / name).read_text()) for name in names]
    path = tmp_path / "objects.json"
    path.write_text(json.dumps(found))
    told = await manifest_schemas.run("operator.mjs", str(path))
    assert told == [
        {"kind": "PodMonitor", "wrong": None},
        {"kind": "PrometheusRule", "wrong": None},
    ]


@pytest.mark.docs
async def test_compose_fits_the_schema_of_compose(manifest_schemas: NpmClients) -> None:
    from jsonschema import Draft201909Validator  # kubernetes-validate's, of the extra `docs`

    [schema] = await manifest_schemas.run("compose.mjs")
    wrong = Draft201909Validator(schema).iter_errors(compose())
    assert [f"{list(error.path)}: {error.message}" for error in wrong] == []
