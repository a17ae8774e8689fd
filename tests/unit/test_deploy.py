"""What deploy/ ships is well formed, and keeps what the pages promise of it."""

import json
import re
import shutil
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from countermand.app.settings import Settings
from countermand.cli.serve import serve as serve_command
from countermand.core.egress import is_public

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SYSTEMD = DEPLOY / "systemd"
DOCKERFILE = (DEPLOY / "container" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "countermand.yaml").read_text()))
YAML_FILES = sorted([*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.yml")])

TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
FLAG = {"type": "boolean"}
COUNT = {"type": "integer", "minimum": 0}


def record(required: str = "", **properties: Any) -> dict[str, Any]:
    """The schema of a mapping with these fields and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def mapping(values: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": values}


def listing(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


COMPOSE_SCHEMA = record(
    "services",
    name=TEXT,
    volumes=mapping(record()),
    services=mapping(
        record(
            "image",
            image=TEXT,
            build=record("context", context=TEXT, dockerfile=TEXT),
            command=TEXTS,
            environment=mapping(TEXT),
            ports=listing({"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}),
            volumes=listing({"type": "string", "pattern": r"^[\w./-]+:/[\w./-]+(:ro)?$"}),
            read_only=FLAG,
            tmpfs=TEXTS,
            cap_drop=TEXTS,
            security_opt=TEXTS,
            stop_grace_period={"type": "string", "pattern": r"^\d+s$"},
            restart={"enum": ["unless-stopped", "on-failure", "always", "no"]},
        )
    ),
)
"""The part of the compose specification that is used, so that a word that it has not is found."""

LABELS = mapping(TEXT)
SELECTOR = record(matchLabels=LABELS)
META = record("name", name=TEXT, namespace=TEXT, labels=LABELS)
PROBE = record(
    "exec",
    exec=record("command", command=TEXTS),
    periodSeconds=COUNT,
    timeoutSeconds=COUNT,
    failureThreshold=COUNT,
)
CONTAINER = record(
    "name image securityContext",
    name=TEXT,
    image=TEXT,
    args=TEXTS,
    env=listing(record("name value", name=TEXT, value=TEXT)),
    ports=listing(record("name containerPort", name=TEXT, containerPort=COUNT)),
    startupProbe=PROBE,
    readinessProbe=PROBE,
    lifecycle=record(preStop=record(exec=record(command=TEXTS))),
    resources=record(requests=mapping(TEXT), limits=mapping(TEXT)),
    securityContext=record(
        allowPrivilegeEscalation=FLAG,
        readOnlyRootFilesystem=FLAG,
        capabilities=record(drop=TEXTS),
    ),
    volumeMounts=listing(record("name mountPath", name=TEXT, mountPath=TEXT, readOnly=FLAG)),
)
POD = record(
    "containers",
    serviceAccountName=TEXT,
    automountServiceAccountToken=FLAG,
    terminationGracePeriodSeconds=COUNT,
    securityContext=record(
        runAsNonRoot=FLAG,
        runAsUser=COUNT,
        runAsGroup=COUNT,
        fsGroup=COUNT,
        fsGroupChangePolicy=TEXT,
        seccompProfile=record(type=TEXT),
    ),
    containers=listing(CONTAINER),
    volumes=listing(
        record(
            "name", name=TEXT, secret=record(secretName=TEXT, defaultMode=COUNT), emptyDir=record()
        )
    ),
)
IP_BLOCK = {**record("cidr"), "properties": {"cidr": TEXT, "except": TEXTS}}
PEERS = listing(record(namespaceSelector=SELECTOR, podSelector=SELECTOR, ipBlock=IP_BLOCK))
OPEN_PORTS = listing(record("port", protocol={"enum": ["TCP", "UDP"]}, port=COUNT))
SPECS: dict[tuple[str, str], dict[str, Any]] = {
    ("v1", "Namespace"): {},
    ("v1", "ServiceAccount"): {},
    ("v1", "Service"): record(
        "selector ports",
        clusterIP=TEXT,
        selector=LABELS,
        ports=listing(record("name port targetPort", name=TEXT, port=COUNT, targetPort=TEXT)),
    ),
    ("apps/v1", "StatefulSet"): record(
        "serviceName replicas selector template",
        serviceName=TEXT,
        replicas={"const": 1},
        selector=SELECTOR,
        template=record(metadata=record(labels=LABELS), spec=POD),
        volumeClaimTemplates=listing(
            record(
                metadata=META,
                spec=record(accessModes=TEXTS, resources=record(requests=mapping(TEXT))),
            )
        ),
    ),
    ("policy/v1", "PodDisruptionBudget"): record(
        "selector", maxUnavailable=COUNT, minAvailable=COUNT, selector=SELECTOR
    ),
    ("networking.k8s.io/v1", "NetworkPolicy"): record(
        "podSelector policyTypes",
        podSelector=SELECTOR,
        policyTypes=TEXTS,
        ingress=listing(
            {**record(ports=OPEN_PORTS), "properties": {"from": PEERS, "ports": OPEN_PORTS}}
        ),
        egress=listing(record(to=PEERS, ports=OPEN_PORTS)),
    ),
}
"""The part of the Kubernetes API that is used."""


def spec_of(kind: str) -> Any:
    (found,) = [part["spec"] for part in KUBERNETES if part["kind"] == kind]
    return found


POD_SPEC = spec_of("StatefulSet")["template"]["spec"]
(SERVER,) = POD_SPEC["containers"]
VARIABLES = {entry["name"]: entry["value"] for entry in SERVER["env"]}


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_every_file_is_yaml_and_names_no_host_of_images(path: Path) -> None:
    assert list(yaml.safe_load_all(path.read_text()))
    for image in re.findall(r"image: (\S+)", path.read_text()):
        first, _, rest = image.partition("/")
        assert not rest or not re.search(r"[.:]|^localhost$", first), image


def test_compose_holds_its_schema() -> None:
    jsonschema.validate(COMPOSE, COMPOSE_SCHEMA)


def test_a_word_that_compose_has_not_is_found() -> None:
    wrong = json.loads(json.dumps(COMPOSE))
    wrong["services"]["countermand"]["readonly"] = True
    with pytest.raises(jsonschema.ValidationError, match="readonly"):
        jsonschema.validate(wrong, COMPOSE_SCHEMA)


@pytest.mark.parametrize("part", KUBERNETES, ids=lambda part: part["kind"])
def test_kubernetes_manifests_hold_their_schema(part: dict[str, Any]) -> None:
    spec = SPECS[part["apiVersion"], part["kind"]]
    required = "apiVersion kind metadata" + (" spec" if spec else "")
    extra = {"automountServiceAccountToken": FLAG} if part["kind"] == "ServiceAccount" else {}
    fields = {"apiVersion": TEXT, "kind": TEXT, "metadata": META, **extra}
    jsonschema.validate(part, record(required, **fields, **({"spec": spec} if spec else {})))


def test_compose_mounts_files_that_are_there() -> None:
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (DEPLOY / "compose" / source).exists(), source
        if "build" in service:
            assert (DEPLOY / "compose" / service["build"]["context"]).resolve() == ROOT
            assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_prometheus_and_grafana_find_the_rules_and_the_dashboard() -> None:
    prometheus = yaml.safe_load((DEPLOY / "compose" / "prometheus.yaml").read_text())
    endings = {Path(pattern).suffix for pattern in prometheus["rule_files"]}
    rules = [path for path in (DEPLOY / "alerts").iterdir() if path.suffix in endings]
    jobs = {job["job_name"] for job in prometheus["scrape_configs"]}
    assert rules
    for path in rules:
        named = set(re.findall(r'job="(\w+)"', path.read_text()))
        assert named <= jobs
    assert list((DEPLOY / "grafana").glob("*.json"))


def test_every_variable_of_the_server_is_one_that_serve_or_a_command_reads() -> None:
    known = {option.envvar for option in _options(serve_command)} | {
        "COUNTERMAND_SERVER",
        "COUNTERMAND_CLIENT_TLS_CA",
    }
    named = set(VARIABLES) | set(COMPOSE["services"]["countermand"]["environment"])
    named |= set(re.findall(r"COUNTERMAND_\w+", DOCKERFILE))
    for unit in SYSTEMD.glob("*.service"):
        named |= set(re.findall(r"COUNTERMAND_\w+", unit.read_text()))
    assert {name for name in named if name.startswith("COUNTERMAND_")} <= known


def _options(command: Any) -> list[Any]:
    import typing

    hints = typing.get_type_hints(command, include_extras=True)
    return [hint.__metadata__[0] for hint in hints.values() if hasattr(hint, "__metadata__")]


def test_the_pod_is_restricted_and_stopped_no_sooner_than_the_server_drains() -> None:
    drain = Settings().drain_timeout
    (pause,) = [float(word) for word in SERVER["lifecycle"]["preStop"]["exec"]["command"][1:]]
    assert POD_SPEC["terminationGracePeriodSeconds"] > pause + drain + 10
    assert POD_SPEC["securityContext"]["runAsNonRoot"]
    assert SERVER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for probe in ("startupProbe", "readinessProbe"):
        assert SERVER[probe]["exec"]["command"] == ["countermand", "health"]
    assert "livenessProbe" not in SERVER
    assert spec_of("PodDisruptionBudget")["maxUnavailable"] == 0


def test_mounts_are_those_of_volumes_and_selectors_find_the_pod() -> None:
    volumes = {volume["name"] for volume in POD_SPEC["volumes"]}
    volumes |= {v["metadata"]["name"] for v in spec_of("StatefulSet")["volumeClaimTemplates"]}
    assert {mount["name"] for mount in SERVER["volumeMounts"]} == volumes
    labels = spec_of("StatefulSet")["template"]["metadata"]["labels"]
    assert spec_of("StatefulSet")["selector"]["matchLabels"] == labels
    assert spec_of("Service")["selector"] == labels
    assert spec_of("PodDisruptionBudget")["selector"]["matchLabels"] == labels
    assert spec_of("NetworkPolicy")["podSelector"]["matchLabels"] == labels
    ports = {port["name"] for port in SERVER["ports"]}
    assert {port["targetPort"] for port in spec_of("Service")["ports"]} == ports


def test_webhooks_are_let_out_to_the_internet_and_not_inside() -> None:
    """What the network lets out is never more than what the server itself judges as public."""
    blocks = [
        peer["ipBlock"]
        for rule in spec_of("NetworkPolicy")["egress"]
        for peer in rule.get("to", [])
        if "ipBlock" in peer and {"protocol": "TCP", "port": 443} in rule["ports"]
    ]

    def is_let(address: str) -> bool:
        found = ip_address(address)
        return any(
            found in ip_network(block["cidr"])
            and not any(found in ip_network(left_out) for left_out in block.get("except", []))
            for block in blocks
        )

    assert is_let("93.184.215.14")
    assert is_let("2606:4700::1111")
    inside = ("10.1.2.3", "172.20.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "fd00::1")
    assert not [address for address in inside if is_let(address) or is_public(address)]


def test_the_image_runs_as_nobody_asks_for_its_health_and_has_no_tools_to_install() -> None:
    stages = re.findall(r"(?m)^FROM (\S+)(?: AS (\w+))?$", DOCKERFILE)
    assert [name for _, name in stages] == ["build", ""]
    assert {image for image, _ in stages} == {"python:3.11-slim"}
    assert re.search(r"(?m)^USER 10001:10001$", DOCKERFILE)
    assert 'CMD ["countermand", "health"]' in DOCKERFILE
    assert "pip uninstall --yes pip" in DOCKERFILE
    assert "STOPSIGNAL SIGTERM" in DOCKERFILE
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for source in re.findall(r"(?m)^COPY (?!--from)(.*) \S+$", DOCKERFILE):
        for name in source.split():
            assert (ROOT / name).exists()
            assert f"!{name.removeprefix('./')}" in ignored


@pytest.fixture(scope="module")
def analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is not installed")
    return found


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units, with a program that is there in the place of the one to be installed."""
    for path in SYSTEMD.iterdir():
        text = path.read_text().replace("/opt/countermand/bin/countermand", "/bin/true")
        (tmp_path / path.name).write_text(text)
    return tmp_path


def test_the_units_are_right(analyze: str, units: Path) -> None:
    names = sorted(str(path) for path in units.iterdir())
    assert len(names) == 3
    result = subprocess.run(
        [analyze, "verify", "--man=no", *names],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if "Failed to initialize manager" in result.stderr:
        pytest.skip(f"systemd-analyze verify does not run here: {result.stderr.splitlines()[0]}")
    ours = [line for line in result.stderr.splitlines() if "countermand" in line]
    assert (result.returncode, ours) == (0, [])


@pytest.mark.parametrize("unit", ["countermand.service", "countermand-backup.service"])
def test_the_units_expose_little(analyze: str, units: Path, unit: str) -> None:
    command = [analyze, "security", "--offline=true", "--no-pager", "--threshold=30"]
    result = subprocess.run(
        [*command, str(units / unit)], capture_output=True, text=True, timeout=30, check=False
    )
    (level,) = re.findall(r"Overall exposure level for \S+: (\d+\.\d)", result.stdout)
    assert float(level) < 3.0
    assert result.returncode == 0


def test_the_unit_waits_longer_than_the_server_drains() -> None:
    text = (SYSTEMD / "countermand.service").read_text()
    (stop,) = re.findall(r"(?m)^TimeoutStopSec=(\d+)$", text)
    (drain,) = re.findall(r"(?m)^Environment=COUNTERMAND_DRAIN_TIMEOUT=(\d+)s$", text)
    assert float(drain) == Settings().drain_timeout
    assert int(stop) > int(drain) + 10
    for line in ("User=countermand", "StateDirectory=countermand", "NoNewPrivileges=yes"):
        assert line in text
