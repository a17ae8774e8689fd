"""What deploy/ ships is well formed, and keeps what the pages promise of it."""

import copy
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator, Draft202012Validator, ValidationError

from countermand.app.settings import Settings
from countermand.cli.serve import serve as serve_command
from countermand.core.egress import is_public
from tests.support.alerts import missing_promtool

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SYSTEMD = DEPLOY / "systemd"
DOCKERFILE = (DEPLOY / "container" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
KUBERNETES = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "countermand.yaml").read_text()))
YAML_FILES = sorted([*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.yml")])

SCHEMAS = Path(__file__).parent / "schemas"
COMPOSE_SCHEMA = Draft7Validator(json.loads((SCHEMAS / "compose.json").read_text()))
"""The whole specification of compose."""
KUBERNETES_SCHEMA = json.loads((SCHEMAS / "kubernetes.json").read_text())
"""All that the kinds that are used are made of, with every field that there is."""


def hold_kubernetes(manifest: dict[str, Any]) -> None:
    """Raises ValidationError unless each field is one that there is, with a value that it takes."""
    name = KUBERNETES_SCHEMA["kinds"][f"{manifest['apiVersion']} {manifest['kind']}"]
    Draft202012Validator(KUBERNETES_SCHEMA | {"$ref": f"#/$defs/{name}"}).validate(manifest)


def fields(found: Any, *path: str | int) -> Iterator[tuple[str | int, ...]]:
    """Yields the path of every mapping that there is in a document, but those of free names."""
    if isinstance(found, dict):
        if not path or path[-1] not in FREE:
            yield path
            for key, value in found.items():
                yield from fields(value, *path, key)
    elif isinstance(found, list):
        for number, value in enumerate(found):
            yield from fields(value, *path, number)


FREE = {"annotations", "environment", "labels", "limits", "matchLabels", "requests", "selector"}
"""Where names are whatever one likes. A selector of labels is held by those within it."""


def planted(document: Any, path: tuple[str | int, ...]) -> Any:
    """The document with a word there that is none."""
    wrong = copy.deepcopy(document)
    found = wrong
    for key in path:
        found = found[key]
    found["readonly"] = True
    return wrong


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


def test_compose_holds_its_schema_and_is_open_to_this_machine_alone() -> None:
    COMPOSE_SCHEMA.validate(COMPOSE)
    for service in COMPOSE["services"].values():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


DELIVER = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "deliver.yaml").read_text()))


@pytest.mark.parametrize("part", [*KUBERNETES, *DELIVER], ids=lambda part: part["kind"])
def test_kubernetes_manifests_hold_their_schemas(part: dict[str, Any]) -> None:
    hold_kubernetes(part)


def test_a_word_that_compose_or_kubernetes_has_not_is_found_wherever_it_stands() -> None:
    places = 0
    for path in fields(COMPOSE):
        if path != ("services",) and path != ("volumes",):  # their names are free
            with pytest.raises(ValidationError):
                COMPOSE_SCHEMA.validate(planted(COMPOSE, path))
            places += 1
    for part in KUBERNETES:
        for path in fields(part):
            with pytest.raises(ValidationError):
                hold_kubernetes(planted(part, path))
            places += 1
    assert places > 60


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


@pytest.mark.skipif(shutil.which("promtool") is None, reason=missing_promtool)
def test_prometheus_takes_its_configuration_and_the_rules_that_it_names(tmp_path: Path) -> None:
    text = (DEPLOY / "compose" / "prometheus.yaml").read_text()
    file = tmp_path / "prometheus.yaml"
    file.write_text(text.replace("/etc/prometheus/alerts", str(DEPLOY / "alerts")))
    done = subprocess.run(
        ["promtool", "check", "config", file], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"SUCCESS: [1-9]\d* rules found", done.stdout)


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
    [deliver] = [part["spec"] for part in DELIVER if part["kind"] == "NetworkPolicy"]
    assert deliver["egress"][-1] == spec_of("NetworkPolicy")["egress"][-1]
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
    assert len(names) == 4
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


@pytest.mark.parametrize(
    "unit", ["countermand.service", "countermand-backup.service", "countermand-deliver.service"]
)
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
