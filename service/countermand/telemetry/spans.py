"""A span that has ended, and what takes it; free of the SDK, which loads only to export."""

from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple, Protocol

from countermand.core.trace import TraceContext

AttributeValue = str | bool | int | float | Sequence[str]
Attributes = Mapping[str, AttributeValue]


class SpanKind(Enum):
    """Whose side of what work a span is."""

    INTERNAL = auto()
    """Work within the service."""
    SERVER = auto()
    """Our side of a call that somebody made."""
    CLIENT = auto()
    """Our side of a request that we made."""


class FinishedSpan(NamedTuple):
    """One piece of work, with its place in a trace. Times are nanoseconds since the Unix epoch."""

    name: str
    context: TraceContext
    parent: TraceContext | None
    start_ns: int
    end_ns: int
    attributes: Attributes
    kind: SpanKind = SpanKind.INTERNAL
    parent_is_remote: bool = False
    failed: bool = False
    links: Sequence[TraceContext] = ()


class Recorder(Protocol):
    """Takes the spans of sampled traces."""

    def record(self, span: FinishedSpan) -> None:
        """Takes a span; never blocks and never fails."""
        ...

    def leave(self) -> None:
        """Begins to send what was taken; it does not wait."""
        ...

    def shutdown(self, timeout: float) -> None:
        """Sends what was taken and ends, after at most about `timeout` seconds; blocks."""
        ...
