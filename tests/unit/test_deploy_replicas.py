"""What deploy/ ships for several servers on one PostgreSQL differs from what it ships for one
server only where it has to."""

from typing import Any

import pytest
import yaml

from countermand.app.settings import Settings
from tests.unit import test_deploy as alone

COMPOSE = yaml.safe_load((alone.DEPLOY / "compose" / "replicas.yaml").read_text())
MANIFESTS = (alone.DEPLOY / "kubernetes" / "replicas.yaml").read_text()
KUBERNETES = {part["kind"]: part for part in yaml.safe_load_all(MANIFESTS)}
SERVERS = ("one", "two", "three")
DEPLOYMENT = KUBERNETES["Deployment"]["spec"]
POD = DEPLOYMENT["template"]["spec"]
(SERVER,) = POD["containers"]


def test_compose_holds_its_schema_and_is_open_to_this_machine_alone() -> None:
    alone.COMPOSE_SCHEMA.validate(COMPOSE)
    services = COMPOSE["services"]
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports == [f"127.0.0.1:{50051 + at}:50051" for at in range(len(SERVERS))]


def test_servers_of_compose_are_as_restricted_as_one_alone_and_come_after_what_they_need() -> None:
    usual = alone.COMPOSE["services"]["countermand"]
    same = ("build", "image", "read_only", "tmpfs", "cap_drop", "security_opt", "stop_grace_period")
    for name in SERVERS:
        service = COMPOSE["services"][name]
        assert {word: service[word] for word in same} == {word: usual[word] for word in same}
        needs = "database" if name == "one" else "one"
        assert service["depends_on"] == {needs: {"condition": "service_healthy"}}
        assert "healthcheck" in COMPOSE["services"][needs]


@pytest.mark.parametrize("kind", KUBERNETES)
def test_kubernetes_manifests_hold_their_schemas(kind: str) -> None:
    alone.hold_kubernetes(KUBERNETES[kind])


def test_a_pod_is_restricted_and_asked_for_its_health_as_one_alone_is() -> None:
    for word in ("securityContext", "startupProbe", "readinessProbe", "lifecycle", "ports"):
        assert SERVER[word] == alone.SERVER[word]
    assert "livenessProbe" not in SERVER
    assert {**alone.POD_SPEC["securityContext"], **POD["securityContext"]} == (
        alone.POD_SPEC["securityContext"]
    )
    (pause,) = [float(word) for word in SERVER["lifecycle"]["preStop"]["exec"]["command"][1:]]
    assert POD["terminationGracePeriodSeconds"] > pause + Settings().drain_timeout + 10


def test_its_variables_are_those_of_one_alone_but_for_the_store_that_a_secret_names() -> None:
    variables = {entry["name"]: entry for entry in SERVER["env"]}
    usual = set(alone.VARIABLES)
    assert variables.keys() == usual | {"PGPASSWORD"}
    secrets = {name for name, entry in variables.items() if "valueFrom" in entry}
    assert secrets == {"COUNTERMAND_STORE", "PGPASSWORD"}
    for name in secrets:
        assert variables[name]["valueFrom"]["secretKeyRef"]["name"] in MANIFESTS.partition("api")[0]


def test_selectors_find_the_pods_and_scaling_and_draining_leave_two_of_three() -> None:
    labels = DEPLOYMENT["template"]["metadata"]["labels"]
    spec: dict[str, Any] = {kind: part.get("spec") for kind, part in KUBERNETES.items()}
    assert DEPLOYMENT["selector"]["matchLabels"] == labels
    assert spec["Service"]["selector"] == labels
    assert spec["PodDisruptionBudget"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": labels},
    }
    assert spec["NetworkPolicy"]["podSelector"]["matchLabels"] == labels
    assert DEPLOYMENT["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert "replicas" not in DEPLOYMENT
    scaler = spec["HorizontalPodAutoscaler"]
    assert scaler["scaleTargetRef"]["name"] == KUBERNETES["Deployment"]["metadata"]["name"]
    assert scaler["minReplicas"] == len(SERVERS)
    assert "cpu" in SERVER["resources"]["requests"]  # of which the scaler takes a share
    mounts = {mount["name"] for mount in SERVER["volumeMounts"]}
    assert mounts == {volume["name"] for volume in POD["volumes"]}


def test_the_network_is_that_of_one_alone_and_the_way_to_the_database() -> None:
    policy, usual = KUBERNETES["NetworkPolicy"]["spec"], alone.spec_of("NetworkPolicy")
    database = {"ports": [{"protocol": "TCP", "port": 5432}]}
    assert policy["ingress"] == usual["ingress"]
    assert [rule for rule in policy["egress"] if rule != database] == usual["egress"]
    assert database in policy["egress"]
