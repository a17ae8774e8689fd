"""Who hears of what was committed."""

import logging
from dataclasses import dataclass
from typing import Protocol

from countermand.core.decide import Batch
from countermand.core.trace import TraceContext

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Committed:
    """One batch that is on disk."""

    batch: Batch
    traces: list[TraceContext]
    """The spans of the calls in it, as far as they are sampled."""
    start_ns: int
    end_ns: int
    seconds: float
    """How long it took until it was on disk, by a clock that never leaps."""


class Listener(Protocol):
    """Hears of every batch right after its commit, in commit order. It must not wait."""

    def __call__(self, committed: Committed) -> None: ...


class Listeners:
    """Calls each listener for each batch.

    A batch that they hear of is on disk, and its callers are about to be answered. So whatever one
    of them raises is logged, and neither keeps the others from hearing of the batch nor makes it
    look like one that failed.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def add(self, listener: Listener) -> None:
        """Calls it for every batch from now on, after those that were added before it."""
        self._listeners.append(listener)

    def announce(self, committed: Committed) -> None:
        """Tells all listeners of a batch. Raises nothing."""
        for listener in self._listeners:
            try:
                listener(committed)
            except Exception:
                log.exception("a listener failed after a commit")
