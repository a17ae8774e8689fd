"""What goes wrong in a history, as its script says."""

import asyncio
from typing import TYPE_CHECKING

from tests.simulation.script import STEP, Step

if TYPE_CHECKING:
    from tests.simulation.play import Play

IOERR, FULL, BUSY = 10, 13, 5
PATIENCE = 3.0
"""Seconds for which a fault may hold up what is due, over its own."""


class Faults:
    """Inflicts the faults of one history."""

    def __init__(self, play: "Play") -> None:
        self._play = play

    async def inflict(self, step: Step) -> None:
        """Does what the step says, and returns when it is over."""
        play, begin = self._play, self._play.loop.time()
        play.note(f"fault: {step.what}")
        await getattr(self, step.what)()
        play.history.faults.append((begin, play.loop.time(), step.what))

    def stop(self) -> None:
        """Ends all that may still go wrong."""
        trouble = self._play.trouble
        trouble.errors.clear()
        trouble.slow = 0.0
        trouble.read_errors = 0

    async def read_fails(self) -> None:
        self._play.trouble.read_errors = STEP.get().randint(1, 6)
        self._play.hinder(2 * PATIENCE)  # The reaper waits a second after each that is its own.

    async def commit_fails(self) -> None:
        self._fail("before", IOERR, 1)

    async def commit_unknown(self) -> None:
        self._fail("after", IOERR, 1)

    async def commit_full(self) -> None:
        self._fail("before", FULL, STEP.get().randint(1, 4))

    async def commit_busy(self) -> None:
        self._fail("before", BUSY, STEP.get().randint(1, 4))

    def _fail(self, when: str, code: int, count: int) -> None:
        self._play.trouble.errors.extend([(when, code)] * count)
        self._play.hinder(count * PATIENCE)

    async def slow(self) -> None:
        trouble, chance = self._play.trouble, STEP.get()
        trouble.slow = chance.choice((0.05, 0.4, 1.5, 12.0))
        self._play.hinder(trouble.slow + PATIENCE)
        await asyncio.sleep(chance.uniform(0.05, 0.5))
        trouble.slow = 0.0

    async def crash(self) -> None:
        if self._play.lives:
            self._play.hinder(PATIENCE)
            self._play.life.die()

    async def restart(self) -> None:
        life = self._play.life
        if life.ready.is_set():
            self._play.hinder(PATIENCE)
            life.stop()
            await life.left.wait()

    async def stand_still(self) -> None:
        seconds = STEP.get().choice((0.1, 0.4, 1.0, 3.0))
        self._play.hinder(seconds + PATIENCE)
        self._play.life.realm.stands_until = self._play.loop.time() + seconds
        await asyncio.sleep(seconds)

    async def clock_jump(self) -> None:
        play = self._play
        play.ahead += STEP.get().choice((-3600.0, -2.0, 2.0, 3600.0))
        play.history.leaps.append((play.loop.time(), play.ahead))
        play.note(f"the wall clock is {play.ahead:g} s ahead")

    async def stall_watchers(self) -> None:
        seconds = STEP.get().uniform(0.05, 3.0)
        self._play.hinder(seconds + PATIENCE)
        self._play.mood.reading.clear()
        await asyncio.sleep(seconds)
        self._play.mood.reading.set()
