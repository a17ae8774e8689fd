"""The pulse: notices that this process was suspended, as when it or its machine was stopped, and
how late it is."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from countermand.core.idle import IdleClock
from countermand.core.knobs import PulseKnobs
from countermand.core.leases import MAX_DELAY
from countermand.core.records import SECOND


class Pulse:
    """Beats while it is used in a `with`, and remembers when it missed beats."""

    def __init__(
        self,
        on_beat: Callable[[], None],
        knobs: PulseKnobs,
        *,
        clock: Callable[[], float] = time.monotonic,
        idle_clock: Callable[[], float] | None = None,
    ) -> None:
        """Calls `on_beat`, which must not raise, with each beat. The clocks are in seconds."""
        self._on_beat = on_beat
        self._knobs = knobs
        self._clock = clock
        self._idle_clock = idle_clock
        self._own_idle_clock: IdleClock | None = None
        self._last = clock()
        self._idle = 0.0
        """What the idle clock said when the process last beat, or was late."""
        self._awake = 0.0
        self._suspended = self._late = False
        self._delays: deque[tuple[float, float]] = deque()
        """From when to when the process was late, of late."""
        self._beating: asyncio.Task[None] | None = None

    def __enter__(self) -> "Pulse":
        if self._idle_clock is None:  # It is this thread's.
            self._idle_clock = self._own_idle_clock = IdleClock()
        self._last, self._idle = self._clock(), self._idle_clock()
        self._beating = asyncio.create_task(self._beat_on(), name="pulse")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._beating is not None
        self._beating.cancel()
        self._beating = None
        if self._own_idle_clock is not None:
            self._own_idle_clock.close()

    def was_suspended(self) -> bool:
        """Whether the process was suspended since this was last asked.

        It is true from the first moment after, whatever was woken first.
        """
        self._look()
        found, self._suspended = self._suspended, False
        return found

    def was_late(self) -> bool:
        """Whether the process was late by more than agents can bear since this was last asked."""
        self._look()
        found, self._late = self._late, False
        return found

    def since(self, seconds: float) -> float:
        """Returns how long ago it is that the process began to be in time for so long, all in all.

        That is as long if it was never late meanwhile, and else by so much longer.
        """
        self._look()
        until = self._last
        for number, (begin, end) in enumerate(reversed(self._delays), start=1):
            if until - end >= seconds:
                for _ in range(len(self._delays) - number):  # They matter no more.
                    self._delays.popleft()
                break
            seconds -= until - end
            until = begin
        return self._last - until + seconds

    def awake(self) -> float:
        """Returns the seconds that passed, without those that the process was suspended."""
        self._look()
        return self._awake

    def beat(self) -> None:
        """Says that the process is here."""
        self._look()
        if self._idle_clock is not None:
            self._idle = self._idle_clock()
        self._on_beat()

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(self._knobs.interval)
            self.beat()

    def _look(self) -> None:
        """Looks whether the process was away until now."""
        now = self._clock()
        passed, self._last = now - self._last, now
        late = passed - self._knobs.interval
        if late <= 0 or self._idle_clock is None:
            self._awake += passed
            return
        self._delays.append((now - late, now))
        self._late |= late * SECOND >= MAX_DELAY
        idle = self._idle_clock()
        away, self._idle = idle - self._idle - self._knobs.interval, idle
        if away * SECOND >= MAX_DELAY:
            self._suspended = True
            passed -= away
        self._awake += passed
