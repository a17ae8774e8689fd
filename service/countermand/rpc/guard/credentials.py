"""What the metadata of a call says of its caller: the API key, and the trace that it belongs to.

Nothing counts for the place where it happens to stand. What was sent twice and differs would be one
thing to a proxy that looks at the first and another to us, so it is not believed.
"""

from collections.abc import Iterable
from typing import Any

from countermand.core.errors import Reason, Refused

KEY, AUTHORIZATION = "x-api-key", "authorization"
TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
READ = {KEY, AUTHORIZATION, TRACEPARENT, TRACESTATE}
BEARER = "bearer "
BLANKS = " \t"


class Credentials:
    """What a caller sent."""

    __slots__ = ("_sent",)

    def __init__(self, metadata: Iterable[tuple[str, Any]] | None) -> None:
        """Reads the metadata of a call."""
        self._sent: dict[str, str] = {}
        for name, value in metadata or ():
            if name in READ:
                # To gRPC, what was sent twice is the same as both joined by a comma.
                before = self._sent.get(name)
                self._sent[name] = str(value) if before is None else f"{before},{value}"

    def key(self) -> str | None:
        """Returns the API key: `x-api-key` if that was sent, whatever else was, since a mesh may
        add an `authorization` of its own; else the bearer. None if there is neither.

        Raises Refused if different ones were sent: API_KEY_INVALID.
        """
        keys = self._sent.get(KEY)
        found = self._bearers() if keys is None else keys
        if found is not None and "," in found:
            found, *others = _different(found)
            if others:
                raise Refused(Reason.API_KEY_INVALID, "different API keys were sent in one call")
        return found and found.strip(BLANKS)

    def traceparent(self) -> str | None:
        """Returns the traceparent; None if none was sent, or different ones: then, as the W3C has
        it, the call begins a trace of its own."""
        found = self._sent.get(TRACEPARENT)
        if found is not None and "," in found:
            found, *others = _different(found)
            if others:
                return None
        return found and found.strip(BLANKS)

    def tracestate(self) -> str | None:
        """Returns the tracestate, with all parts joined if it was sent in several; None if none was
        sent."""
        return self._sent.get(TRACESTATE)

    def _bearers(self) -> str | None:
        """Returns what was sent as bearers; another scheme is not ours to read."""
        sent = _different(self._sent.get(AUTHORIZATION, ""))
        bearers = [one[len(BEARER) :] for one in sent if one[: len(BEARER)].lower() == BEARER]
        return ",".join(bearers) if bearers else None


def _different(sent: str) -> list[str]:
    """Returns the different values of what was sent more than once."""
    return list(dict.fromkeys(one.strip(BLANKS) for one in sent.split(",")))
