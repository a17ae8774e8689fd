"""The open streams of strangers, and how many there may be."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from countermand.core.errors import Reason, Refused
from countermand.core.knobs import PublicKnobs
from countermand.rpc.guard.open_calls import Context
from countermand.rpc.guard.peers import network_of


class OpenStreams:
    """Counts the streams of one kind, in all and of each address."""

    def __init__(self, knobs: PublicKnobs) -> None:
        self._knobs = knobs
        self._open: Counter[str] = Counter()
        self._total = 0

    @contextmanager
    def opened(self, context: Context) -> Iterator[str]:
        """Counts a stream while the block runs. Gives where it comes from.

        Raises Refused if there are too many.
        """
        network = network_of(context)
        if self._total >= self._knobs.max_streams:
            raise Refused(Reason.TOO_MANY_WATCHERS, "too many of these streams are open")
        if self._open[network] >= self._knobs.max_streams_per_address:
            raise Refused(Reason.TOO_MANY_WATCHERS, "your address has too many of these open")
        self._open[network] += 1
        self._total += 1
        try:
            yield network
        finally:
            self._total -= 1
            self._open[network] -= 1
            if not self._open[network]:
                del self._open[network]
