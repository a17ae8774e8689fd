"""How a client at work calls: it may hang up, and asks again when it does not know."""

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

from tests.chaos.robustness.board import Board
from tests.chaos.robustness.clients import Client
from tests.chaos.robustness.history import Call

REPEATS = 4
"""How often a client asks again when it does not know whether its write was done."""


class Mood:
    """How all clients behave at present; faults change it."""

    def __init__(self) -> None:
        self.hangs_up = 0.02
        """How likely a client leaves in the middle of a call."""
        self.stopped = False
        """Whether the traffic has ended."""
        self.ended = False
        """Whether the run has ended."""
        self.reading = asyncio.Event()
        """Set while watchers take what they are told."""
        self.reading.set()
        self.wall: Callable[[], float] = time.time
        """The wall clock, in seconds."""


class Actor:
    """One client, the board that it shares with others, and its own chance."""

    def __init__(self, client: Client, board: Board, mood: Mood, chosen: random.Random) -> None:
        self._client = client
        self._board = board
        self._mood = mood
        self._chosen = chosen

    async def _call(self, request: Any) -> Call:
        """Calls; a write of which nobody knows whether it was done is asked for again."""
        call = await self._once(request)
        for _ in range(REPEATS):
            if not call.unknown or call.is_read or self._mood.stopped:
                break
            await asyncio.sleep(self._chosen.uniform(0, 0.2))
            call = await self._once(request)
        return call

    async def _once(self, request: Any) -> Call:
        leaves = self._chosen.random() < self._mood.hangs_up
        after = self._chosen.uniform(0, 0.01) if leaves else None
        return await self._client.call(request, hang_up_after=after)
