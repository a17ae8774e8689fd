"""The pulse: notices that this process stood still, as when it or its machine was stopped."""

import asyncio
import time
from collections.abc import Callable

from countermand.core.knobs import PulseKnobs


class Pulse:
    """Beats while it is used in a `with`, and remembers when it missed beats."""

    def __init__(self, on_beat: Callable[[], None], knobs: PulseKnobs) -> None:
        """Calls `on_beat`, which must not raise, with each beat."""
        self._on_beat = on_beat
        self._knobs = knobs
        self._last = time.monotonic()
        self._awake = 0.0
        self._stood_still = False
        self._beating: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._last = time.monotonic()
        self._beating = asyncio.create_task(self._beat_on(), name="pulse")

    def __exit__(self, *_: object) -> None:
        assert self._beating is not None
        self._beating.cancel()

    def stood_still(self) -> bool:
        """Whether the process stood still since this was last asked.

        It is true from the first moment after, whatever was woken first.
        """
        self._beat()
        found, self._stood_still = self._stood_still, False
        return found

    def awake(self) -> float:
        """Returns the seconds that passed, of which a standstill, however long, is but one."""
        self._beat()
        return self._awake

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(self._knobs.interval)
            self._beat()
            self._on_beat()

    def _beat(self) -> None:
        now = time.monotonic()
        passed, self._last = now - self._last, now
        self._stood_still |= passed >= self._knobs.standstill
        self._awake += min(passed, self._knobs.standstill)
