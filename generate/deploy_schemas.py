"""The schemas that tests hold deploy/ to: `python -m generate.deploy_schemas DEFINITIONS COMPOSE`.

DEFINITIONS is `v1.…-local-strict/_definitions.json` of the Python package kubernetes-validate, and
COMPOSE is `schema/compose-spec.json` of the Compose Specification. Both are under the Apache
License 2.0. What is kept of them is what the kinds below are made of, without descriptions.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "tests" / "unit" / "schemas"
ORIGIN = "Under the Apache License 2.0; generate/deploy_schemas.py says of whom, and made this."
KINDS = {
    "ConfigMap",
    "CronJob",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Job",
    "Namespace",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "Pod",
    "PodDisruptionBudget",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet",
}
"""Of Kubernetes, in their stable versions."""
NAMED = {"$defs", "definitions", "patternProperties", "properties"}
"""Keywords whose keys are names, and no keywords."""


def bare(found: Any, *, named: bool = False) -> Any:
    """A schema without what is for people alone."""
    if isinstance(found, dict):
        return {
            key: bare(value, named=key in NAMED and not named)
            for key, value in found.items()
            if named or not (key == "description" or key.startswith("x-"))
        }
    return [bare(one) for one in found] if isinstance(found, list) else found


def references(found: Any) -> set[str]:
    """The names of all definitions that a schema leads to at once."""
    if isinstance(found, dict):
        own = {found["$ref"].rpartition("/")[2]} if isinstance(found.get("$ref"), str) else set()
        return own.union(*map(references, found.values()))
    return set().union(*map(references, found)) if isinstance(found, list) else set()


def closed(definitions: dict[str, Any]) -> dict[str, Any]:
    """Those of our kinds, and what they are made of."""
    kinds: dict[str, str] = {}
    for name, schema in definitions.items():
        for kind in schema.get("x-kubernetes-group-version-kind", []):
            if kind["kind"] in KINDS and re.fullmatch(r"v\d+", kind["version"]):
                version = "/".join(filter(None, (kind["group"], kind["version"])))
                kinds[f"{version} {kind['kind']}"] = name
    kept: dict[str, Any] = {}
    waiting = set(kinds.values())
    while waiting:
        name = waiting.pop()
        kept[name] = bare(definitions[name])
        waiting |= references(kept[name]) - kept.keys()
    return {"kinds": kinds, "$defs": dict(sorted(kept.items()))}


def main(definitions: str, compose: str) -> None:
    """Writes both, a definition a line."""
    found = closed(json.loads(Path(definitions).read_text())["$defs"])
    lines = [f"{json.dumps(name)}: {json.dumps(one)}" for name, one in found["$defs"].items()]
    kinds = json.dumps(found["kinds"], indent=1, sort_keys=True)
    text = f'{{"$comment": {json.dumps(ORIGIN)},\n"kinds": {kinds},\n"$defs": {{\n'
    text += ",\n".join(lines) + "\n}}\n"
    (FOLDER / "kubernetes.json").write_text(text)
    spec = {"$comment": ORIGIN} | bare(json.loads(Path(compose).read_text()))
    (FOLDER / "compose.json").write_text(json.dumps(spec, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
