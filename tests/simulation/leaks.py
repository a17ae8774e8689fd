"""What is left in the parts of a server when all of its callers have gone: nothing, but for what
is meant to stay."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Any

STAYS = {
    "_listeners": "who hears of commits",
    "_keys": "all keys",
    "_principals": "of all keys",
    "_predecessors": "of all keys",
    "_heard_meanwhile": "what changed since the keys were read",
    "_uses": "when keys were used, until that is noted",
    "_ends": "the last place of each log",
    "_delays": "when the process was late",
    "_full_at": "of the last second",
    "_in_state": "how many endpoints are in each state",
    "_served": "all endpoints, of which what is left is looked at by itself",
    "_left_out": "lines that the log left out, until the next one",
    "_seconds": "refusals of the last minute",
    "_namespaces": "of all keys",
}
"""What is of a store is looked at by itself, wherever it is held."""

OWN = 0
"""The namespace of the server's own commands."""


def left_in(parts: Iterable[object]) -> Iterator[str]:
    """Returns what is left, by where it is."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [(type(part).__name__, part) for part in parts]
    while waiting:
        path, found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        for name, value in _attributes(found):
            where = f"{path}.{name}"
            if name in STAYS or type(value).__module__.startswith("countermand.store."):
                continue
            if isinstance(value, dict | set | list | deque | Counter):
                # What the server asks of itself, such as removing what is old, never ends.
                if value and not (isinstance(value, dict) and set(value) == {OWN}):
                    yield where
            elif type(value).__module__.startswith("countermand.") and not _is_plain(value):
                waiting.append((where, value))


def _is_plain(value: Any) -> bool:
    return isinstance(value, tuple) or type(value).__module__.startswith("countermand.core")


def _attributes(found: Any) -> Iterator[tuple[str, Any]]:
    yield from getattr(found, "__dict__", {}).items()
    for kind in type(found).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(found, name):
                yield name, getattr(found, name)
