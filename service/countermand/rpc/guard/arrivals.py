"""The requests that are on their way to us, and how many of them we wait for.

gRPC keeps what has come of a message until its last byte has, and does not say how much that is.
So a request that is not there at once counts as one of the largest size, and as many of these are
waited for as may be kept.
"""

import asyncio
from collections import defaultdict
from typing import Any, NamedTuple

from countermand.core.errors import Reason, Refused, invalid
from countermand.core.knobs import ArrivalKnobs
from countermand.rpc.guard.open_calls import Context, draining
from countermand.rpc.guard.peers import network_of


class _Arrival(NamedTuple):
    context: Context
    begin: float


class Arrivals:
    """Waits for requests. Those that do not come in time, and those that are too many, are ended.

    One timer serves them all. What two looks in a row find on its way is slow; one look alone could
    have come late itself, before what was there already was seen.
    """

    def __init__(self, knobs: ArrivalKnobs) -> None:
        """Is made in the event loop in which the calls run."""
        self._knobs = knobs
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[asyncio.Task[Any], _Arrival] = {}
        """The calls whose requests are on their way, the oldest first."""
        self._seen: set[asyncio.Task[Any]] = set()
        """Those of them that the last look found."""
        self._ended: dict[asyncio.Task[Any], Refused] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def request(self, context: Context) -> bytes:
        """Returns the one request of a call, which the running task handles.

        Raises Refused if it has none, or is not waited for any longer.
        """
        data = await self.next(context)
        if data is None:
            raise invalid("request", "is missing")
        return data

    async def next(self, context: Context) -> bytes | None:
        """Returns the next request of a call; None if there is none any more.

        Raises Refused if it is not waited for any longer.
        """
        task = asyncio.current_task(self._loop)
        assert task is not None
        self._waiting[task] = _Arrival(context, self._loop.time())
        if self._timer is None:
            self._timer = self._loop.call_later(self._knobs.interval, self._look)
        try:
            # The reading goes on to its end in any case: see handlers.py.
            data = await asyncio.shield(context.read())
        except asyncio.CancelledError:
            refusal = self._ended.get(task)
            if refusal is None:
                raise
            task.uncancel()
            raise refusal from None
        finally:
            del self._waiting[task]
            self._ended.pop(task, None)
        return data if isinstance(data, bytes) else None

    def drain(self) -> None:
        """Ends the calls whose requests have not come: they may never do."""
        for task in list(self._waiting):
            self._end(task, draining())

    def _look(self) -> None:
        """Ends what is too late or too much, and comes again while anything is on its way."""
        self._timer = None
        slow: dict[str, list[asyncio.Task[Any]]] = defaultdict(list)
        too_old = self._loop.time() - self._knobs.timeout
        for task, (context, begin) in self._waiting.items():
            if begin <= too_old:
                self._end(task, self._too_late())
            elif task in self._seen and task not in self._ended:
                slow[network_of(context)].append(task)
        self._make_room(slow)
        self._seen = set(self._waiting)
        if self._seen:
            self._timer = self._loop.call_later(self._knobs.interval, self._look)

    def _make_room(self, slow: dict[str, list[asyncio.Task[Any]]]) -> None:
        """Ends the oldest of whoever has the most, until the rest may be kept."""
        while slow:
            most = max(slow.values(), key=len)
            total = sum(map(len, slow.values()))
            if len(most) <= self._knobs.max_slow_per_address and total <= self._knobs.max_slow:
                return
            self._end(most.pop(0), self._too_many())

    def _end(self, task: asyncio.Task[Any], refusal: Refused) -> None:
        if task not in self._ended:
            self._ended[task] = refusal
            task.cancel()

    def _too_late(self) -> Refused:
        return invalid("request", f"has not come within {self._knobs.timeout:g} s")

    def _too_many(self) -> Refused:
        return Refused(
            Reason.RATE_LIMITED,
            "the request takes long to come, and so do too many others: send it at once",
        )
