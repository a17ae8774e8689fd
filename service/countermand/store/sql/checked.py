"""What the check of a store finds, whatever it is kept in."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple


class Checked(NamedTuple):
    """What a check found."""

    faults: list[str]
    """One line each; none of a store that is sound."""
    schema: int
    rules: int
    """How many rules were held to the rows: none if pages are damaged, or the schema is older."""


def broken_rules(rules: Mapping[str, str], count: Callable[[str], int]) -> Iterator[str]:
    """Yields each rule that is broken, and by how many rows if by more than one; `count` returns
    what the statement of a rule counts."""
    for rule, statement in rules.items():
        yield from broken(rule, count(statement))


def broken(rule: str, rows: int) -> Iterator[str]:
    """Yields a rule if rows break it."""
    if rows:
        yield f"{rule} ({rows} rows)" if rows > 1 else rule
