"""The place of a call in its trace."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Names one span: what happens later for it becomes its child, minutes after or elsewhere."""

    trace_id: str
    """32 hexadecimal digits."""
    span_id: str
    """16 hexadecimal digits."""
    sampled: bool
    """Whether the trace is recorded; what belongs to it follows suit."""
    state: str = ""
    """What the systems that the trace passed through attached to it: a W3C tracestate, passed on
    unchanged. Empty if the trace is not sampled, since then nothing of it is sent."""
