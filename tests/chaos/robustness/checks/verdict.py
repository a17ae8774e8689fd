"""What a check finds."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

MOST = 20
"""How many findings are told in full."""


class Promise(StrEnum):
    """What is promised. docs/testing.md says what each means."""

    DURABLE = "P1 durable"
    UNSEEN = "P2 un-seen"
    ATOMIC = "P3 atomic"
    LINEARIZABLE = "P4 linearizable"
    ORDERED = "P5 ordered"
    UNIQUE = "P6 unique"
    RELIABLE = "P7 reliable"
    RESUMABLE = "P9 resumable"
    SYNCED_ONCE = "P10 synced once"
    FILTERED = "P11 filtered"
    PRESENT = "P17 begins with the present"
    ONE_END = "P29 one end"
    MONEY = "money"
    DEADLINE = "deadline"
    COUNTS = "counts"
    JOINS = "joins"
    STATUS = "status"
    ENDS = "a watch ends"
    WHOLE = "whole file"
    GOES_ON = "the server goes on"


class Violation(NamedTuple):
    """A promise that was broken."""

    promise: Promise
    what: str


@dataclass
class Verdict:
    """What all checks found in one run."""

    violations: list[Violation] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    """Why the run cannot count: a check that did not finish, or too little traffic."""

    @property
    def promises(self) -> set[Promise]:
        """The promises that were broken."""
        return {violation.promise for violation in self.violations}

    @property
    def passed(self) -> bool:
        return not self.violations and not self.unfinished

    def __str__(self) -> str:
        lines = [f"{len(self.violations)} violations"]
        lines += [f"  {promise}: {what}" for promise, what in self.violations[:MOST]]
        if len(self.violations) > MOST:
            lines.append("  …")
        lines += [f"  not finished: {why}" for why in self.unfinished]
        return "\n".join(lines)
