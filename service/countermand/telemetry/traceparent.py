"""The W3C traceparent header: how a trace crosses from one service to the next.

Source: https://www.w3.org/TR/trace-context/#traceparent-header
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
