"""The names of log events are an interface: each is in the table of docs, none there alone."""

import ast
import gc
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "service" / "countermand"
PAGE = ROOT / "docs" / "operations" / "telemetry.md"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
NAMING = {"failed", "_log_leap"}
"""Functions of ours whose first argument is the name of an event."""


def events_of(tree: ast.AST) -> Iterator[str | None]:
    """The names of events in a module; None for one that is not written out."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log"), attr=level), args=[name, *_]
            ):
                if level in LEVELS:
                    yield _literal(name)
            case (
                ast.Call(func=ast.Attribute(attr=function), args=[name, *_])
                | ast.Call(func=ast.Name(id=function), args=[name, *_])
            ):
                if function in NAMING and _literal(name):
                    yield _literal(name)
            case ast.Assign(targets=[ast.Name(id="event")], value=name):
                yield _literal(name)
            case ast.Dict(keys=keys, values=values):
                for key, value in zip(keys, values, strict=True):
                    if key is not None and _literal(key) == "msg" and _literal(value):
                        yield _literal(value)


def _literal(node: ast.expr) -> str | None:
    found = node.value if isinstance(node, ast.Constant) else None
    return found if isinstance(found, str) else None


def logged() -> set[str | None]:
    """Every event that the program logs; the generated code and the command line log none."""
    gc.collect()  # What is collected while Python 3.11 makes a tree breaks that.
    return {
        event
        for path in SOURCE.rglob("*.py")
        if path.relative_to(SOURCE).parts[0] not in ("v1", "cli", "client")
        for event in events_of(ast.parse(path.read_text()))
    }


def listed() -> set[str]:
    """Every event of the table."""
    text = PAGE.read_text().partition("### Events")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`.+?`) \| [A-Z, ]+ \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(.+?)`", cell)}


def test_each_event_of_the_program_is_in_the_table_and_the_other_way_round() -> None:
    # The three that name their event by a variable are found by its literals.
    assert logged() - {None} == listed()


def test_an_event_that_is_not_in_the_table_is_found() -> None:
    tree = ast.parse('log.info("new event", extra=fields())\nevent = "another"\n')
    assert set(events_of(tree)) == {"new event", "another"}
