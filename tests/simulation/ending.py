"""The end of a history: everything is ended, heard of and delivered, and nothing is left."""

import asyncio
import random
from typing import TYPE_CHECKING

from countermand.v1 import cancellation_service_pb2 as c
from tests.chaos.robustness import reading
from tests.chaos.robustness.checks import rows
from tests.chaos.robustness.checks.verdict import Promise
from tests.chaos.robustness.ending import ask_again, end_everything, make_marker
from tests.chaos.robustness.watchers import Follower
from tests.simulation.endpoints import kept_deliveries
from tests.simulation.leaks import left_in
from tests.simulation.played import joined
from tests.simulation.script import STEP, TENANTS

if TYPE_CHECKING:
    from tests.simulation.play import Play

LOOKS_APART = (0.013, 0.11, 0.37, 1.3, 2.9, 0.029, 5.1)
"""Seconds between the looks at what is left, which what is under way has to end in."""


class Ending:
    """Ends one history, once its faults have stopped."""

    def __init__(self, play: "Play") -> None:
        self._play = play
        self._begin = 0.0

    async def end(self) -> None:
        play = self._play
        STEP.set(random.Random(play.script.seed))
        self._begin = play.loop.time()
        for tenant in TENANTS:
            ender = play.client(f"{tenant}-ender", tenant)
            board = play.boards[tenant]
            await end_everything(ender, board)
            await ask_again(ender, board)
            marker = await make_marker(ender, board)
            for whose, follower in play.followers:
                if whose == tenant:
                    follower.marker = marker

    async def part(self) -> None:
        play = self._play
        for _, follower in play.followers:
            if not follower.leaves:
                # Who came after the marker's end is told of it by no watch of live tasks.
                follower.leaves = follower.note.start > self._begin and _is_endless(follower)
            await follower.left.wait()

    async def deliver(self) -> None:
        """Returns when endpoints that are well have been sent all that there is for them."""
        play = self._play
        endpoints = play.endpoints
        while True:
            found = await play.life.store.webhooks(None)
            endpoints.webhooks = {(one.namespace, one.webhook_id): one for one in found}
            if not endpoints.left():
                return
            await asyncio.sleep(0.3)

    async def look_into(self) -> None:
        """Looks for what was left in the parts of the running server, and reads the store."""
        play = self._play
        if play.script.retention is not None:
            await asyncio.sleep(4 * play.script.retention)  # All that is old by now is removed.
        for what in sorted(await self._left()):
            play.fail(Promise.GOES_ON, f"something was left in {what}")
        play.truth = joined(reading.read(play.life.path), play.past)
        play.broken += play.endpoints.violations(kept_deliveries(play.life.path))
        for call in play.aside.calls:
            if call.code in ("INTERNAL", "UNKNOWN", "UNIMPLEMENTED"):
                play.fail(Promise.STATUS, f"{call.client} {call.method} was answered {call.code}")
        if play.script.retention is None:
            play.broken += await rows.broken(play.life.store, play.truth)

    async def _left(self) -> set[str]:
        """Returns where something is left each time that somebody looks: the server's own work,
        such as removing what is old, never ends."""
        play = self._play
        left = set(left_in(play.life.parts))
        for pause in LOOKS_APART:
            if not left:
                break
            await asyncio.sleep(pause)
            left &= set(left_in(play.life.parts))
        return left


def _is_endless(follower: Follower) -> bool:
    """Whether no end of a task or holder ends its watch."""
    request = follower.note.request
    holders = ("group_id", "checkout_id", "order_id")
    return isinstance(request, c.WatchTasksRequest) and not any(
        getattr(request.filter, name) for name in holders
    )
