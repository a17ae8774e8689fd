"""What the parts of the server count: these do nothing, and `metrics.py` has those that count.

So a server without metrics pays for none, and does not load what keeps them.
"""

from countermand.core.trace import TraceContext

OTHER = "_OTHER"
"""The method of calls of methods that there are not, and of calls without a right key."""


class CallMeasure:
    """Takes the calls of one method that are answered once."""

    def ended(self, status: str, begin: float, trace: TraceContext | None = None) -> None:
        """Takes a call that began at `begin`, by `time.perf_counter`, and ends now with a status
        such as `NOT_FOUND`. `trace` is its own, if it was let in."""


class Measures:
    """Takes what happens to calls, watches and commits. Labels are of small closed sets: none is
    what a caller says."""

    def of_method(self, method: str) -> CallMeasure:
        """Returns what takes the calls of a method, which is fully qualified."""
        return CallMeasure()

    def refused(self, reason: str) -> None:
        """Counts a call that was refused, or a watch that was ended, for this reason."""

    def watch_opened(self) -> None:
        """Counts a watch that was let in."""

    def watch_ended(self, status: str) -> None:
        """Counts a watch that ended with a status; `CANCELLED` if its client left."""

    def webhook_tried(self, *, succeeded: bool, age: float | None) -> None:
        """Counts one request to a webhook. `age` is how many seconds after its commit an event was
        taken; None if it was not, or was asked for by hand."""

    def webhooks_missed(self, events: int) -> None:
        """Counts events that were given up."""

    def webhooks_changed(self, state: str, webhooks: int) -> None:
        """Takes how many webhooks are in a state now."""
