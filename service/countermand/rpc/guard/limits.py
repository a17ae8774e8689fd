"""How often may be called: by a key, and by strangers."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from random import uniform
from typing import Final

from countermand.core.errors import Reason, Refused
from countermand.core.knobs import CallsKnobs
from countermand.engine.keyring import Principal
from countermand.rpc.guard.buckets import SECOND, Buckets
from countermand.rpc.guard.peers import network
from countermand.rpc.guard.shared_limits import SharedLimits

MILLISECOND: Final = 1_000_000


class Kind(StrEnum):
    """What a call is counted as; the word is the name of its limit."""

    WRITE = "writes_per_second"
    READ = "reads_per_second"
    WATCH = "watches_per_second"


class Throttled(Refused):
    """A call that came too early. It says when to try again, in whole milliseconds and not too
    early."""

    def __init__(self, nanoseconds: int, message: str, metadata: dict[str, str]) -> None:
        milliseconds = -(-nanoseconds // MILLISECOND)
        super().__init__(
            Reason.RATE_LIMITED,
            f"{message}; try again in {milliseconds} ms",
            metadata=metadata,
            retry_after=milliseconds / 1000,
        )


class KeyThrottled(Throttled):
    """A call above the limit of its key."""

    def __init__(self, nanoseconds: int, caller: Principal, kind: Kind, per_second: int) -> None:
        super().__init__(
            nanoseconds,
            f"the API key has a limit of {per_second} {kind.replace('_', ' ')}",
            {"key_id": caller.key_id, "limit": kind, "per_second": str(per_second)},
        )
        self.counted_as = caller.counted_as
        self.per_second = per_second


class CallLimits:
    """Throttles who calls too often."""

    def __init__(
        self,
        max_failed_logins: int,
        knobs: CallsKnobs,
        clock: Callable[[], int] = time.monotonic_ns,
        shared: SharedLimits | None = None,
    ) -> None:
        """`max_failed_logins` is how many an address may make per second. `shared` is what other
        servers on the store let in; None if there can be none."""
        self._shared = shared
        self._max_failed_logins = max_failed_logins
        self._knobs = knobs
        self._keys = {kind: Buckets(clock=clock) for kind in Kind}
        self._addresses = Buckets(knobs.max_addresses, clock)
        self._refused = Buckets(clock=clock)
        self._held: Counter[type[Refused]] = Counter()

    def admit(self, principal: Principal, kind: Kind) -> None:
        """Counts a call of a key, together with those of the keys that it came from by rotations.

        Raises Refused: RATE_LIMITED.
        """
        per_second: int = getattr(principal.limits, kind)
        if not per_second:
            return
        bucket, name = self._keys[kind], principal.counted_as
        if self._shared is None:
            wait = bucket.take(name, per_second)
        else:
            wait = self._shared.take(bucket, (name, kind), per_second)
        if wait:
            raise KeyThrottled(wait, principal, kind, per_second)

    def weigh(self, principal: Principal, kind: Kind, size: int, tasks: int = 0) -> None:
        """Counts what a call that was admitted has weighed: the bytes of its request and answer,
        and the tasks that it created. It is owed, and delays the calls after it."""
        per_second: int = getattr(principal.limits, kind)
        weights = self._knobs.weights
        more = size // weights.bytes + tasks // weights.tasks
        if per_second and more:
            debt = round(weights.max_debt * SECOND)
            self._keys[kind].owe(principal.counted_as, per_second, more, debt)
            if self._shared is not None:
                self._shared.uses.use((principal.counted_as, kind), more)

    async def hold_back(self, refusal: Refused, seconds_left: float | None) -> None:
        """Waits before a refusal goes out, if its key is refused more often than it may call, or
        its address has shown too many wrong keys.

        A refused call costs a server of gRPC nearly as much as one that is let in. Who waits for
        answers before calling on, and most do, so calls less often, and neighbours feel less of it.
        Never for more than half of the seconds that the caller has left, so that it hears of it.
        """
        kind, most = type(refusal), self._knobs.max_held_strangers
        if isinstance(refusal, KeyThrottled):
            most = self._knobs.max_held
            per_second = max(refusal.per_second, self._knobs.free_refusals_per_second)
            if not self._refused.take(refusal.counted_as, per_second):
                return
        elif not isinstance(refusal, Throttled):
            return
        if self._held[kind] >= most:
            return
        self._held[kind] += 1
        try:
            seconds = self._knobs.max_hold
            if seconds_left is not None:
                seconds = min(seconds, seconds_left / 2)
            await asyncio.sleep(uniform(seconds / 2, seconds))
        finally:
            self._held[kind] -= 1

    def failed_login(self, address: str, refusal: Refused) -> Refused:
        """Counts a call without a right key, and returns how to refuse it.

        A right key is never throttled for it, so nobody can lock out another, nor oneself. A call
        that is refused while no key can be looked up may have had a right one.
        """
        if refusal.reason is Reason.STORE_UNAVAILABLE:
            return refusal
        wait = self._addresses.take(network(address), self._max_failed_logins)
        return Throttled(wait, "too many calls without a right API key", {}) if wait else refusal
