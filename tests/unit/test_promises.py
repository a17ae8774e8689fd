"""docs/promises.md names, for each rule of the API, tests that are there."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "promises.md"
RULES = {
    "Task states": 8,
    "Cancels": 13,
    "Watches": 15,
    "Tasks": 5,
    "Agents": 9,
    "Sizes": 11,
    "Strangers": 3,
    "Sales": 4,
    "Operators": 5,
    "Webhooks": 10,
    "HTTP": 5,
}
ROW = re.compile(r"\| (\d+) \| (.+) \| (.+) \|")
NAMED = re.compile(r"`((?:unit|store|rpc|chaos)/\w+\.py)`|`([Tt]est\w+)`")


def rows() -> list[tuple[str, int, list[tuple[str, str]]]]:
    """Each rule's section, its number, and its tests with their files."""
    found, section = [], ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif match := ROW.fullmatch(line):
            found.append((section, int(match[1]), _tests(match[3])))
    return found


def _tests(cell: str) -> list[tuple[str, str]]:
    found, file = [], ""
    for path, name in NAMED.findall(cell):
        file = path or file
        if name:
            found.append((file, name))
    return found


def names_of(file: str) -> set[str]:
    """The tests that a file has, by their names at its top."""
    tree = ast.parse((TESTS / file).read_text())
    found = {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    for node in tree.body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize("section", RULES)
def test_every_rule_has_its_row_in_order(section: str) -> None:
    numbers = [number for found, number, _ in rows() if found == section]
    assert numbers == list(range(1, RULES[section] + 1))


@pytest.mark.parametrize(("section", "number", "tests"), rows())
def test_every_rule_has_tests_that_are_there(
    section: str, number: int, tests: list[tuple[str, str]]
) -> None:
    assert tests, f"{section} {number} has no test"
    assert [(file, name) for file, name in tests if name not in names_of(file)] == []
