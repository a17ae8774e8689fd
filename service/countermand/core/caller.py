"""Who called, as far as it is remembered with a cancel."""

from typing import NamedTuple

from countermand.core.trace import TraceContext


class Caller(NamedTuple):
    """One call: who made it, and its place in its trace."""

    requested_by: str
    """The id of the API key, or a name of ours such as `system:expiry`."""
    trace: TraceContext
    """The span of the call: what happens later for it becomes its child."""
    certificate_name: str = ""
    """Whose certificate the connection showed; empty without mutual TLS."""
