"""The W3C headers traceparent and tracestate: how a trace crosses from one service to the next.

Source: https://www.w3.org/TR/trace-context/
"""

import re

from countermand.core.trace import TraceContext

_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE = "0" * 32
_NO_SPAN = "0" * 16
_SAMPLED = 1


def parse_traceparent(header: str) -> TraceContext | None:
    """Returns the caller's span, or None if the header is not valid: then a new trace starts.

    A version above 00 may carry more behind the fields of 00, which is passed over. Version ff is
    not valid.
    """
    found = _HEADER.fullmatch(header)
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    if trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def format_traceparent(context: TraceContext) -> str:
    """Returns the header that makes what the receiver does a child of this span."""
    return f"00-{context.trace_id}-{context.span_id}-{context.sampled:02x}"


_KEY = (
    r"(?:[a-z][a-z0-9_*/-]{0,255}"  # a system, or a tenant of one
    r"|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})"
)
_VALUE = r"[ -+\--<>-~]{0,255}[!-+\--<>-~]"
_MEMBER = re.compile(rf"({_KEY})=({_VALUE})")
_MAX_MEMBERS = 32
_MAX_LENGTH = 512


def parse_tracestate(header: str) -> tuple[tuple[str, str], ...]:
    """Returns the members of a tracestate, or none if it is not valid: it then counts as not sent,
    while the traceparent still counts."""
    members: dict[str, str] = {}
    for text in filter(None, (part.strip(" \t") for part in header.split(","))):
        found = _MEMBER.fullmatch(text)
        if found is None or found[1] in members:
            return ()
        members[found[1]] = found[2]
    return tuple(members.items()) if len(members) <= _MAX_MEMBERS else ()


def kept_tracestate(header: str) -> str:
    """Returns what is kept of a tracestate: all of it, without the last members if it is longer
    than what every system must pass on."""
    members = parse_tracestate(header)
    while True:
        kept = ",".join(f"{key}={value}" for key, value in members)
        if len(kept) <= _MAX_LENGTH:
            return kept
        members = members[:-1]
