"""What belongs to an event loop is made where a client is opened, and not where it is made."""

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

CLIENT = Path(__file__).parents[2] / "service" / "countermand" / "client"
BOUND = {
    name
    for name in dir(asyncio)
    if name in {"Semaphore", "BoundedSemaphore", "Lock", "Event", "Condition", "Barrier", "Future"}
    or name.endswith(("Queue", "Task", "_task", "_loop", "_future"))
}


def bound_in_constructors(text: str) -> Iterator[str]:
    """What an `__init__`, a class or a module makes that is bound to the loop of its first use."""
    tree = ast.parse(text)
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

    def calls(node: ast.AST) -> Iterator[ast.Call]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, functions) and getattr(child, "name", "") != "__init__":
                continue
            if isinstance(child, ast.Call):
                yield child
            yield from calls(child)

    for call in calls(tree):
        name = ast.unparse(call.func)
        if name.rpartition(".")[2] in BOUND and not name.startswith("threading."):
            yield f"{name} in line {call.lineno}"


@pytest.mark.parametrize(
    "path", sorted(CLIENT.rglob("*.py")), ids=lambda path: str(path.relative_to(CLIENT))
)
def test_no_constructor_makes_what_is_bound_to_an_event_loop(path: Path):
    assert list(bound_in_constructors(path.read_text())) == []


@pytest.mark.parametrize(
    "text",
    [
        "class C:\n    def __init__(self):\n        self.turns = asyncio.Semaphore(90)",
        "class C:\n    lock = asyncio.Lock()",
        "QUEUE = asyncio.Queue()",
        "class C:\n    def __init__(self):\n        self.l = asyncio.get_event_loop()",
    ],
)
def test_one_that_does_is_found(text: str):
    assert len(list(bound_in_constructors(text))) == 1


def test_what_a_method_makes_is_not_reported():
    text = "class C:\n    async def __aenter__(self):\n        self.turns = asyncio.Semaphore(90)"
    assert list(bound_in_constructors(text)) == []
