"""What the clients of a run saw, in times of the monotonic clock."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from google.protobuf.text_format import MessageToString

READS = frozenset(
    {
        "WatchCheckout",
        "WatchOrder",
        "GetTask",
        "GetGroup",
        "GetCheckout",
        "GetCart",
        "GetOrder",
        "GetCancellation",
        "ListTasks",
        "ListCheckouts",
        "ListOrders",
        "ListCarts",
        "ListCancellations",
        "SummarizeCancellations",
    }
)
OPEN_CODES = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"})
"""After these nobody knows whether a write was done."""
PULSE = "pulse"
"""The client whose small writes show how long the writer takes; they are no traffic."""
DROPPED = "DROPPED"
"""The code of a watch that its client left."""
RECORD_WATCHES = {"WatchCheckout": "checkout", "WatchOrder": "order"}
"""What a watch of one record shows; all other watches show tasks."""


@dataclass(slots=True)
class Call:
    """One call that is answered once."""

    client: str
    tenant: str
    method: str
    request: Any
    start: float
    end: float = inf
    answer: Any = None
    code: str = ""
    """The name of its gRPC status; empty while it is not answered."""
    reason: str = ""
    """The word of the refusal, if the server refused it."""

    @property
    def done(self) -> bool:
        """Whether it was answered OK."""
        return self.code == "OK"

    @property
    def unknown(self) -> bool:
        """Whether it may have been done, may still be done, or never."""
        return self.code in OPEN_CODES or not self.code

    @property
    def is_traffic(self) -> bool:
        """Whether it counts as an operation."""
        return not self.unknown and self.client != PULSE

    @property
    def until(self) -> float:
        """When it has taken effect at the latest, if it does."""
        return inf if self.unknown else self.end

    @property
    def is_read(self) -> bool:
        return self.method in READS

    @property
    def is_trial(self) -> bool:
        """Whether it only asks what would be."""
        return bool(getattr(self.request, "validate_only", False))

    def __str__(self) -> str:
        asked, answered = text(self.request), self.reason or self.code or "no answer"
        if self.answer is not None:
            answered = text(self.answer)
        return f"{self.start:.4f}-{self.end:.4f} {self.client} {self.method} {asked} -> {answered}"


@dataclass(slots=True)
class Stream:
    """One watch, from its opening to its end."""

    client: str
    tenant: str
    method: str
    request: Any
    start: float
    parent: "tuple[Stream, int] | None" = None
    """The watch that it resumes, and how many of its messages the client went by."""
    messages: list[tuple[float, Any]] = field(default_factory=list)
    end: float = inf
    code: str = ""
    """The name of its gRPC status; DROPPED if the client left."""
    reason: str = ""

    def logical(self) -> list[tuple[float, Any]]:
        """Returns all messages as one watch without breaks: those before the resumption too."""
        before: list[tuple[float, Any]] = []
        if self.parent is not None:
            stream, count = self.parent
            before = stream.logical()
            before = before[: len(before) - len(stream.messages) + count]
        return before + self.messages

    @property
    def root(self) -> "Stream":
        """The first of the watches that this one goes on."""
        return self if self.parent is None else self.parent[0].root

    @property
    def kind(self) -> str:
        """What its messages show: a task, checkout or order."""
        return RECORD_WATCHES.get(self.method, "task")

    def shown(self) -> Iterator[tuple[float, Any]]:
        """Returns what its messages show, and when each came."""
        for moment, message in self.messages:
            if message.HasField(self.kind):
                yield moment, getattr(message, self.kind)

    def __str__(self) -> str:
        went_on = f" after {self.parent[1]} of {id(self.parent[0]):x}" if self.parent else ""
        head = f"{self.start:.4f}-{self.end:.4f} {self.client} {self.method} {id(self):x}{went_on}"
        lines = [f"{head} {text(self.request)} -> {self.code} {self.reason}"]
        lines += [f"    {moment:.4f} {text(message)}" for moment, message in self.messages]
        return "\n".join(lines)


@dataclass(slots=True)
class History:
    """All that was seen in one run."""

    calls: list[Call] = field(default_factory=list)
    streams: list[Stream] = field(default_factory=list)
    lives: list[tuple[float, float]] = field(default_factory=list)
    """From when to when a server was ready."""
    faults: list[tuple[float, float, str]] = field(default_factory=list)
    clock_slack: float = 0.0
    """How many seconds the clocks may differ by which servers judge deadlines."""
    wall_offset: float = field(default_factory=lambda: time.time() - time.monotonic())
    """What to add to a time of the monotonic clock to have one of the wall clock."""

    @property
    def operations(self) -> int:
        """How many calls of the traffic were answered by the server."""
        return sum(call.is_traffic for call in self.calls)

    @property
    def messages(self) -> int:
        """How many messages all watches were told."""
        return sum(len(stream.messages) for stream in self.streams)

    def shares(self) -> Iterator[tuple[str, int, int]]:
        """Returns each fault, with the answers and messages that came until the next one."""
        answers = [call.end for call in self.calls if call.is_traffic]
        messages = [moment for stream in self.streams for moment, _ in stream.messages]
        begins = [0.0, *(start for start, _, _ in self.faults[1:]), inf]
        for (_, _, fault), begin, end in zip(self.faults, begins, begins[1:], strict=False):
            yield (
                fault,
                sum(begin <= moment < end for moment in answers),
                sum(begin <= moment < end for moment in messages),
            )

    def wall(self, moment: float) -> int:
        """Returns a time of the monotonic clock in microseconds since the Unix epoch."""
        return int((moment + self.wall_offset) * 1_000_000)

    def write(self, path: Path) -> None:
        """Writes all of it as text, in the order of the starts."""
        path.write_text("\n".join(self._lines()) + "\n")

    def _lines(self) -> Iterator[str]:
        faults = [(start, f"{start:.4f}-{end:.4f} {what}") for start, end, what in self.faults]
        calls = [(call.start, str(call)) for call in self.calls]
        streams = [(stream.start, str(stream)) for stream in self.streams]
        return (line for _, line in sorted(faults + calls + streams, key=lambda pair: pair[0]))


def text(message: Message) -> str:
    return "{" + MessageToString(message, as_one_line=True, as_utf8=True).strip() + "}"
