"""Who may import whom: the table, and a reader of imports that holds it."""

import ast
import sys
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "service"
GENERATED = SOURCE / "countermand" / "v1"
LONGEST_MODULE = 300

# What each package under countermand may import of ours, beside itself. A dotted name allows
# that module and all beneath it. A package that is missing here may not exist.
LAYERS: dict[str, set[str]] = {
    "core": set(),
    "store": {"core"},
    "telemetry": {"core"},
    "engine": {"core", "store.contract", "store.lists", "telemetry"},
    "app": {"core", "store", "telemetry", "engine"},
    "webhooks": {"__init__", "core", "store.contract", "engine", "telemetry"},
    "rpc": {
        "__init__",
        "core",
        "store.contract",
        "store.lists",
        "telemetry",
        "engine",
        "app",
        "v1",
    },
    "client": {"v1"},
    "cli": {
        "__init__",
        "core",
        "store",
        "telemetry",
        "engine",
        "app",
        "rpc",
        "webhooks",
        "client",
        "v1",
    },
    "__init__": set(),
    "__main__": {"cli"},
}

# What is written once for every database knows none, and no database knows another.
APART: dict[str, set[str]] = {
    "store.sql": {"store.sqlite", "store.postgres"},
    "store.sqlite": {"store.postgres"},
    "store.postgres": {"store.sqlite"},
}

# Packages that may import the standard library and what LAYERS gives them, and nothing else.
STANDARD_LIBRARY_ONLY = {"core", "__init__"}

# Names that only these modules, and all beneath them, may import. A star stands for any letters.
GRPC_SIDE = {"rpc", "client", "cli"}
OWNERS: dict[str, set[str]] = {
    "grpc": GRPC_SIDE,
    "grpc_status": GRPC_SIDE,
    "grpc_health": GRPC_SIDE,
    "grpc_reflection": GRPC_SIDE,
    "google.rpc": GRPC_SIDE,
    "countermand.v1": {"rpc.wire", "rpc.*servicer*", "client", "cli"},
    "aiosqlite": {"store.sqlite"},
    "sqlite3": {"store.sqlite"},
    "psycopg": {"store.postgres"},
    "opentelemetry": {"telemetry", "client.trace"},
    "prometheus_client": {"telemetry"},
    "aiohttp": {"webhooks"},
    "standardwebhooks": {"webhooks", "cli"},
    "cryptography": {"engine.vault"},
    "rich": {"cli"},
    "typer": {"cli"},
}


class Import(NamedTuple):
    """One imported name, in full: `from a import b` is `a.b`."""

    name: str
    line: int


class Module(NamedTuple):
    """One module: its path as shown, its name beneath countermand, and what it imports."""

    path: str
    name: str
    imports: list[Import]

    @property
    def package(self) -> str:
        return self.name.split(".")[0]


def is_within(name: str, pattern: str) -> bool:
    """Whether the dotted name is what the pattern names, or lies beneath it."""
    parts, patterns = name.split("."), pattern.split(".")
    return len(parts) >= len(patterns) and all(map(fnmatchcase, parts, patterns))


def is_within_any(name: str, patterns: set[str]) -> bool:
    return any(is_within(name, pattern) for pattern in patterns)


def read_imports(tree: ast.AST, package: list[str]) -> Iterator[Import]:
    """Every import in the tree, in functions too; `package` is what a lone dot stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from (Import(f"{base}.{alias.name}", node.lineno) for alias in node.names)


def parse(path: str, text: str) -> Module:
    """The module at `path`, which is relative to the source folder."""
    parts = list(Path(path).with_suffix("").parts)
    imports = list(read_imports(ast.parse(text), parts[:-1]))
    name = ".".join(parts[1:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts[1:])
    return Module(path, name, sorted(imports, key=lambda found: found.line))


def within_ours(name: str) -> str:
    """A name of ours as LAYERS spells it: beneath countermand, and __init__ for its own names."""
    rest = name.removeprefix("countermand").removeprefix(".")
    return rest if rest.split(".")[0] in LAYERS.keys() | {"v1"} else "__init__"


def broken_layers(module: Module) -> Iterator[str]:
    """Imports of ours that LAYERS does not give to the module's package."""
    if module.package not in LAYERS:
        yield f"{module.path}:1: {module.package} has no line in LAYERS"
        return
    allowed = LAYERS[module.package] | {module.package}
    for name, line in module.imports:
        if is_within(name, "countermand") and not is_within_any(within_ours(name), allowed):
            given = ", ".join(sorted(LAYERS[module.package])) or "nothing"
            rule = f"of ours {module.package} may import {given}"
            yield f"{module.path}:{line}: imports {name}, but {rule}"


def broken_walls(module: Module) -> Iterator[str]:
    """Imports of ours from one side of a wall of APART to the other."""
    for part, others in APART.items():
        if not is_within(module.name, part):
            continue
        for name, line in module.imports:
            if is_within(name, "countermand") and is_within_any(within_ours(name), others):
                yield f"{module.path}:{line}: imports {name}, but {part} may not"


def broken_owners(module: Module) -> Iterator[str]:
    """Imports of a name in OWNERS by a module that is none of its owners."""
    for name, line in module.imports:
        for owned, owners in OWNERS.items():
            if is_within(name, owned) and not is_within_any(module.name, owners):
                allowed = ", ".join(sorted(owners))
                yield f"{module.path}:{line}: imports {name}, but {owned} belongs to {allowed}"


def broken_purity(module: Module) -> Iterator[str]:
    """Imports from outside the standard library where only that is allowed."""
    if module.package not in STANDARD_LIBRARY_ONLY:
        return
    for name, line in module.imports:
        top = name.split(".")[0]
        if top != "countermand" and top not in sys.stdlib_module_names:
            rule = f"{module.package} may import the standard library only"
            yield f"{module.path}:{line}: imports {name}, but {rule}"


def too_long(path: str, text: str) -> Iterator[str]:
    """A module over the limit."""
    length = len(text.splitlines())
    if length > LONGEST_MODULE:
        yield f"{path}:{length}: a module has at most {LONGEST_MODULE} lines"


def written_files() -> list[Path]:
    """Every module of the package that was written and not generated."""
    found = sorted((SOURCE / "countermand").rglob("*.py"))
    return [path for path in found if not path.is_relative_to(GENERATED)]


def written_modules() -> list[Module]:
    return [parse(str(path.relative_to(SOURCE)), path.read_text()) for path in written_files()]


ENDINGS = ("ings", "ing", "ers", "er", "ions", "ion", "ies", "es", "s", "ed", "ments", "ment", "e")


def _without_ending(name: str) -> str:
    found = [end for end in ENDINGS if name.endswith(end) and len(name) > len(end) + 3]
    return name.removesuffix(found[0]) if found else name


def twins(folder: str, names: list[str]) -> Iterator[str]:
    """Modules of one package whose names differ by their endings alone."""
    stems: dict[str, str] = {}
    for name in sorted(names):
        other = stems.setdefault(_without_ending(name), name)
        if other != name:
            yield f"{folder}: nobody can tell {other} from {name}"


CHECKS = [broken_layers, broken_walls, broken_owners, broken_purity]


@pytest.mark.parametrize("check", CHECKS)
def test_the_package_holds_the_table(check):
    broken = [line for module in written_modules() for line in check(module)]
    assert not broken, "\n" + "\n".join(broken)


def test_no_module_is_too_long():
    paths = written_files()
    assert paths, "found no module to read"
    found = (too_long(str(path.relative_to(SOURCE)), path.read_text()) for path in paths)
    broken = [line for lines in found for line in lines]
    assert not broken, "\n" + "\n".join(broken)


def test_no_two_modules_of_a_package_differ_by_an_ending_alone():
    rooms: dict[Path, list[str]] = {}
    for path in written_files():
        rooms.setdefault(path.parent, []).append(path.stem)
    broken = [line for room, names in rooms.items() for line in twins(room.name, names)]
    assert not broken, "\n" + "\n".join(broken)


def test_names_that_differ_by_an_ending_are_found():
    assert list(twins("engine", ["watch", "watchers", "writer"]))
    assert not list(twins("engine", ["watch", "writer", "rules", "rows"]))


@pytest.mark.parametrize(("length", "reports"), [(0, 0), (300, 0), (301, 1)])
def test_a_long_module_is_found(length, reports):
    assert len(list(too_long("countermand/core/ids.py", "pass\n" * length))) == reports


@pytest.mark.parametrize(
    ("check", "path", "text"),
    [
        (broken_layers, "core/records.py", "import countermand.store.contract"),
        (broken_layers, "core/records.py", "from ..store import contract"),
        (broken_layers, "core/records.py", "from countermand import __version__"),
        (broken_layers, "core/__init__.py", "from ..engine import writer"),
        (broken_layers, "store/sqlite.py", "from countermand import engine"),
        (broken_layers, "telemetry/spans.py", "from countermand.rpc import status"),
        (broken_layers, "engine/writer.py", "from countermand.store import sqlite"),
        (broken_layers, "engine/writer.py", "from countermand.store import *"),
        (broken_layers, "engine/writer.py", "import countermand.store"),
        (broken_layers, "engine/writer.py", "import countermand"),
        (broken_layers, "rpc/server.py", "from countermand.client import retries"),
        (broken_layers, "rpc/server.py", "def late():\n    import countermand.cli.main"),
        (broken_layers, "client/watch.py", "from countermand.core import ids"),
        (broken_layers, "helpers/text.py", ""),
        (broken_layers, "helpers.py", ""),
        (broken_layers, "__init__.py", "from countermand.core import ids"),
        (broken_walls, "store/sql/loading.py", "from countermand.store.sqlite import writing"),
        (broken_walls, "store/sql/loading.py", "from countermand.store.postgres import store"),
        (broken_walls, "store/sqlite/store.py", "from countermand.store import postgres"),
        (broken_walls, "store/postgres/store.py", "import countermand.store.sqlite.store"),
        (broken_owners, "store/sqlite.py", "import grpc.aio"),
        (
            broken_owners,
            "engine/watching/hub.py",
            "if True:\n    from google.rpc import status_pb2",
        ),
        (broken_owners, "engine/watching/hub.py", "from google import rpc"),
        (broken_owners, "telemetry/spans.py", "from grpc_health.v1 import health"),
        (broken_owners, "rpc/server.py", "from countermand.v1 import tasks_pb2"),
        (broken_owners, "rpc/server.py", "from ..v1 import tasks_pb2"),
        (broken_owners, "rpc/wired.py", "import countermand.v1.tasks_pb2"),
        (broken_owners, "store/migrations.py", "import sqlite3"),
        (broken_owners, "store/sqlite.py", "import psycopg"),
        (broken_owners, "store/sql/session.py", "import sqlite3"),
        (broken_owners, "engine/writer.py", "from opentelemetry import trace"),
        (broken_owners, "rpc/status.py", "from rich.table import Table"),
        (broken_owners, "client/watch.py", "def late():\n    import typer"),
        (broken_purity, "core/ids.py", "import pydantic"),
        (broken_purity, "core/ids.py", "def late():\n    from google.protobuf import any_pb2"),
    ],
)
def test_a_forbidden_import_is_found(check, path, text):
    [broken] = check(parse(f"countermand/{path}", text))
    assert broken.startswith(f"countermand/{path}:{max(1, len(text.splitlines()))}: ")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("core/decide.py", "import dataclasses\nfrom . import ids\nimport countermand.core.state"),
        ("store/sqlite/rows.py", "import sqlite3\nfrom ..contract import Store"),
        ("store/sqlite.py", "import sqlite3\nfrom countermand.core import ids"),
        ("store/sqlite/writing.py", "from countermand.store.sql import loading"),
        ("store/postgres/writing.py", "import psycopg\nfrom countermand.store.sql import loading"),
        ("engine/writer.py", "from countermand.store.contract import Store\nimport grpcurl"),
        ("engine/writer.py", "import countermand.core\nfrom countermand.store import contract"),
        ("telemetry/__init__.py", "import opentelemetry.sdk\nfrom .spans import commit_span"),
        ("rpc/wire.py", "from countermand.v1 import tasks_pb2"),
        ("rpc/wire/tasks.py", "from countermand.v1 import tasks_pb2"),
        ("rpc/servicers/tasks.py", "from countermand.v1 import tasks_pb2_grpc"),
        ("rpc/task_servicer.py", "from countermand.v1 import tasks_pb2_grpc"),
        ("rpc/server.py", "import grpc\nfrom countermand import __version__"),
        ("client/watch.py", "import grpc\nfrom countermand.v1 import tasks_pb2"),
        ("cli/main.py", "import typer\nimport rich\nfrom countermand.client import Client"),
        ("__main__.py", "from countermand.cli.main import app_entry"),
    ],
)
def test_an_allowed_import_is_not_reported(path, text):
    module = parse(f"countermand/{path}", text)
    assert [line for check in CHECKS for line in check(module)] == []
