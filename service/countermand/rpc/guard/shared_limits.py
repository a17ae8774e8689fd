"""The limits of a key on several servers of one store. See countermand.engine.key_uses."""

import time
from collections.abc import Callable

from countermand.core.knobs import KeyUseKnobs
from countermand.engine.key_uses import KeyUses, Name
from countermand.rpc.guard.buckets import SECOND, Buckets


class SharedLimits:
    """Lets in what a server may, by what it knows of the others."""

    def __init__(
        self, uses: KeyUses, knobs: KeyUseKnobs, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """`clock` returns nanoseconds that only grow."""
        self.uses = uses
        self._knobs = knobs
        self._clock = clock
        self._shares: dict[Name, tuple[float, int]] = {}
        """How much of its share each has left, and as of when."""

    def take(self, bucket: Buckets, name: Name, limit: int) -> int:
        """Takes a token of a limit. Returns 0, or after how many nanoseconds there may be one.

        The bucket has what the limit leaves, of all servers; it is charged with what others let in.
        While others let in some, at least a tenth of the limit is let in here, whatever it has.
        """
        key, _ = name
        debt = round(self._knobs.max_debt * SECOND)
        if owed := self.uses.ask(name):
            bucket.owe(key, limit, owed, debt)
        share = self.uses.share(name, limit)
        wait = 0
        if share is None:
            self._shares.pop(name, None)
        else:
            wait = self._take_of_share(name, share)
        if not wait:
            wait = bucket.take(key, limit)
            least = limit / self._knobs.min_share
            if wait and share is not None:
                wait = self._take_of_share((key, f"{name[1]} at least"), least)
                if not wait:
                    bucket.owe(key, limit, 1, debt)
        if not wait:
            self.uses.use(name, 1)
        return wait

    def _take_of_share(self, name: Name, per_second: float) -> int:
        """Takes a token of what comes in evenly, however its rate changes."""
        now = self._clock()
        left, before = self._shares.get(name, (1.0, now))
        left = min(max(1.0, per_second), left + (now - before) / SECOND * per_second)
        if left < 1:
            self._shares[name] = left, now
            return round((1 - left) / per_second * SECOND) or 1
        self._shares[name] = left - 1, now
        return 0
