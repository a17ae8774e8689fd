"""The open watches: who watches, and how a watch is ended from outside."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from math import inf
from typing import Any

from countermand.core.errors import Reason, Refused, unavailable
from countermand.core.knobs import WatchersKnobs
from countermand.engine.key_uses import KeyUses
from countermand.engine.watching.hub import Subscription


class Watcher:
    """One open watch."""

    __slots__ = (
        "_knobs",
        "_loop",
        "_task",
        "_waiter",
        "key_id",
        "messages",
        "method",
        "namespace",
        "number",
        "opened",
        "refusal",
        "request",
        "writing_since",
    )

    def __init__(self, key_id: str, knobs: WatchersKnobs, number: int = 0) -> None:
        self.key_id = key_id
        self.number = number
        """It grows with each watch that is opened."""
        self.method = ""
        """What was called, and with what, as whoever opened it says."""
        self.request: Any = None
        self.namespace: int | None = None
        """Of which it tells; None while that is not known, and if it tells of many."""
        self._knobs = knobs
        self.refusal: Refused | None = None
        """Why the watch ends, once it was ended from outside."""
        self.writing_since: float | None = None
        self.messages = 0
        self._task = asyncio.current_task()
        self._waiter: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.opened = self._loop.time()

    @property
    def open_for(self) -> float:
        """For how many seconds it has been open."""
        return self._loop.time() - self.opened

    @property
    def blocked_for(self) -> float:
        """For how many seconds its client has taken nothing of what is on its way to it."""
        return 0.0 if self.writing_since is None else self._loop.time() - self.writing_since

    async def wait(self, subscription: Subscription, until: float) -> bool:
        """Waits for something new. Returns whether it came before that moment of the loop's time.

        Raises the refusal if the watch was ended.
        """
        self.check()
        waiter = subscription.next()
        try:
            await self._wake(waiter, until)
        finally:
            subscription.forget(waiter)
        self.check()
        return self._loop.time() < until

    async def wait_for(self, reading: "asyncio.Task[Any]", until: float) -> bool:
        """Waits for a reading, which goes on if that takes longer. Returns whether it has ended.

        Raises the refusal if the watch was ended.
        """
        self.check()
        waiter: asyncio.Future[None] = self._loop.create_future()

        def end(_: object) -> None:
            self._time_out(waiter)

        reading.add_done_callback(end)
        try:
            await self._wake(waiter, until)
        finally:
            reading.remove_done_callback(end)
        self.check()
        return reading.done()

    async def _wake(self, waiter: asyncio.Future[None], until: float) -> None:
        """Returns when the waiter is done, that moment has come, or the watch was ended."""
        self._waiter = waiter
        timer = self._loop.call_at(until, self._time_out, waiter) if until < inf else None
        try:
            await waiter
        finally:
            if timer is not None:
                timer.cancel()
            self._waiter = None

    @staticmethod
    def _time_out(waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_result(None)

    def check(self) -> None:
        """Raises the refusal with which the watch was ended, if it was."""
        if self.refusal is not None:
            raise self.refusal

    def end(self, refusal: Refused) -> None:
        """Ends the watch: at once if it is idle, or after the message that is on its way."""
        if self.refusal is not None:
            return
        self.refusal = refusal
        if self._waiter is not None:
            self._time_out(self._waiter)
        else:
            self._loop.call_later(self._knobs.last_message_timeout, self.abandon)

    def abandon(self) -> None:
        """Gives up a message that its client does not take."""
        if self.writing_since is not None and self._task is not None:
            self._task.cancel()


class Watchers:
    """All open watches of this server."""

    def __init__(
        self, knobs: WatchersKnobs, max_open: int | None = None, uses: KeyUses | None = None
    ) -> None:
        """Lets so many watches be open at once, since each costs memory; None: any number. `uses`
        knows how many a key has open on other servers; None if there can be none."""
        self._uses = uses
        self._knobs = knobs
        self.max_open = max_open
        self._numbers = count(1)
        self._open: dict[int, Watcher] = {}
        self._open_by_key: Counter[str] = Counter()
        self._closed: Refused | None = None

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Watcher]:
        """Gives the open watches, the oldest first."""
        return iter(self._open.values())

    @contextmanager
    def opened(
        self, key_id: str, max_of_key: int = 0, counted_as: str | None = None
    ) -> Iterator[Watcher]:
        """Counts a watch as open, of its key or of another that it is counted as.

        A key may have any number open, unless told otherwise. Raises Refused: TOO_MANY_WATCHERS,
        or what `end_all` was called with.
        """
        if self._closed is not None:
            raise self._closed
        counted_as = counted_as or key_id
        if max_of_key and self._open_by_key[counted_as] >= self._max_here(counted_as, max_of_key):
            raise _too_many(
                f"the API key may have {max_of_key} watches open at once",
                {"key_id": key_id, "limit": "open_watches", "most": str(max_of_key)},
            )
        if self.max_open is not None and len(self._open) >= self.max_open:
            raise _too_many("this server has as many watches open as it takes", {})
        watcher = Watcher(key_id, self._knobs, next(self._numbers))
        self._open[watcher.number] = watcher
        self._count(counted_as, 1, max_of_key)
        try:
            yield watcher
        finally:
            del self._open[watcher.number]
            self._count(counted_as, -1, max_of_key)

    def _max_here(self, key: str, max_of_key: int) -> int:
        return max_of_key if self._uses is None else self._uses.max_open(key, max_of_key)

    def _count(self, key: str, change: int, max_of_key: int) -> None:
        self._open_by_key[key] += change
        if max_of_key and self._uses is not None:
            self._uses.opened(key, self._open_by_key[key])
        if not self._open_by_key[key]:
            del self._open_by_key[key]

    def end_all(self, refusal: Callable[[], Refused]) -> None:
        """Ends every watch, and refuses new ones."""
        self._closed = refusal()
        self.end_present(refusal)

    def end_lost(self, namespace: int) -> None:
        """Ends the watches that may have told of commits of a namespace which the store lost."""
        for watcher in list(self):
            if watcher.namespace in (None, namespace):
                watcher.end(unavailable("the store lost what was committed last; watch again"))

    def end_present(self, refusal: Callable[[], Refused]) -> None:
        """Ends every watch that is open now."""
        for watcher in list(self):
            watcher.end(refusal())

    async def sweep(self, is_live: Callable[[str], bool]) -> None:
        """Ends, forever, watches whose key is not live any more and those that take nothing."""
        while True:
            await asyncio.sleep(self._knobs.sweep_interval)
            self.sweep_now(is_live)

    def sweep_now(self, is_live: Callable[[str], bool]) -> None:
        """Does one round of `sweep`."""
        dead = {key_id for key_id in {w.key_id for w in self} if not is_live(key_id)}
        timeout = self._knobs.write_timeout
        latest = asyncio.get_running_loop().time() - timeout
        for watcher in list(self):
            if watcher.key_id in dead:
                watcher.end(Refused(Reason.API_KEY_INVALID, "the API key is not valid any more"))
            elif watcher.writing_since is not None and watcher.writing_since < latest:
                watcher.refusal = Refused(
                    Reason.WATCHER_TOO_SLOW,
                    f"the watcher took nothing for {timeout:g} s; resume to go on",
                )
                watcher.abandon()


def _too_many(message: str, metadata: dict[str, str]) -> Refused:
    return Refused(Reason.TOO_MANY_WATCHERS, message, metadata=metadata)
