"""The commands that wait for the writer, and in what order they have their turns."""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from countermand.core import commands as c
from countermand.core.errors import Reason, Refused, unavailable
from countermand.core.knobs import WriterKnobs
from countermand.core.large import LARGE
from countermand.core.trace import TraceContext
from countermand.engine.resting import Resting


@dataclass(slots=True)
class Request:
    """One command, and who waits for its answer."""

    command: c.Command
    answer: asyncio.Future[Any]
    trace: TraceContext | None


class WriteQueue:
    """Small commands go together; large ones go alone. Namespaces take turns in both.

    A large command whose caller is gone by its turn is left out: it would keep others waiting for
    nobody, and its caller, who never heard of it, was told by the end of its call that it may not
    be done. A small one is done all the same: it costs next to nothing in its batch, and who hangs
    up right after a cancel mostly wants it. What has begun is never taken back.
    """

    def __init__(self, knobs: WriterKnobs) -> None:
        self._max_batch = knobs.max_batch
        self._max_waiting = knobs.max_waiting
        self._max_waiting_of_one = knobs.max_waiting_of_one
        self._small: dict[int, deque[Request]] = {}
        self._large: dict[int, deque[Request]] = {}
        self._large_is_next = False
        self._waiting: dict[int, int] = {}
        """How many commands of each namespace wait."""
        self._count = 0
        self.small_count = 0
        """How many small ones wait."""
        self._resting = Resting(knobs)

    def put(self, request: Request) -> None:
        """Queues a command. Raises Refused if too many wait; our own are never refused."""
        namespace = request.command.namespace
        waiting = self._waiting.get(namespace, 0)
        if namespace:
            if waiting >= self._max_waiting_of_one:
                raise Refused(
                    Reason.RATE_LIMITED,
                    f"{waiting} calls of this tenant wait to be written already",
                )
            if self._count >= self._max_waiting:
                raise unavailable("too many calls wait to be written; try again")
        self._count_in(request).append(request)

    def _count_in(self, request: Request) -> deque[Request]:
        """Counts a command. Returns the queue that it waits in."""
        namespace = request.command.namespace
        large = isinstance(request.command, LARGE)
        queues = self._large if large else self._small
        queue = queues.get(namespace)
        if queue is None:
            queue = queues[namespace] = deque()
        self._waiting[namespace] = self._waiting.get(namespace, 0) + 1
        self._count += 1
        self.small_count += not large
        return queue

    def put_back(self, requests: Sequence[Request], now: float) -> list[Request]:
        """Puts commands back that were taken, since another writes their tenants: these rest then.

        Returns those that have waited too long, which are not put back.
        """
        tired: list[Request] = []
        resting: dict[int, bool] = {}
        for request in reversed(requests):
            namespace = request.command.namespace
            if namespace not in resting:
                resting[namespace] = self._resting.put(namespace, now)
            if resting[namespace]:
                self._count_in(request).appendleft(request)
            else:
                tired.append(request)
        return tired

    def rest(self, now: float) -> float:
        """Returns for how many seconds nothing can be taken unless more comes."""
        return self._resting.seconds_left(now)

    def take(self, now: float = 0.0) -> list[Request]:
        """Returns the next batch: small and large ones in turn while both wait. It is empty if
        nobody waits for what is left, or it rests.

        What has rested goes alone, and its tenant counts as busy until `committed`.
        """
        if self._resting:
            batch = self._next_rested(now)
            if batch:
                return batch
        if self._large and (self._large_is_next or not self._small):
            self._large_is_next = False
            found = self._next_large()
            if found is not None:
                return [found]
        self._large_is_next = True
        return self._next_small()

    def committed(self, requests: Sequence[Request]) -> None:
        """Notes that nobody else writes the tenants of these any more."""
        if self._resting:
            for request in requests:
                self._resting.forget(request.command.namespace)

    def _next_rested(self, now: float) -> list[Request]:
        """Returns commands of a tenant that has rested: small ones together, a large one alone."""
        for namespace in self._resting.rested(now):
            small, large = self._small.get(namespace), self._large.get(namespace)
            if small:
                return self._pop(namespace, min(self._max_batch, len(small)))
            if large:
                request = self._pop_large(namespace)
                if not request.answer.done():
                    return [request]
            self._resting.forget(namespace)
        return []

    def _next_large(self) -> Request | None:
        """Returns the next large command whose caller still waits."""
        while namespaces := self._awake(self._large):
            request = self._pop_large(namespaces[0])
            if not request.answer.done():
                return request
        return None

    def _pop_large(self, namespace: int) -> Request:
        queue = self._large.pop(namespace)
        request = queue.popleft()
        self._taken(namespace, 1)
        if queue:
            self._large[namespace] = queue  # Behind the others.
        return request

    def _next_small(self) -> list[Request]:
        """Returns small commands, of each namespace an equal share while there are too many."""
        batch: list[Request] = []
        while len(batch) < self._max_batch and (namespaces := self._awake(self._small)):
            share = max(1, (self._max_batch - len(batch)) // len(namespaces))
            for namespace in namespaces:
                batch += self._pop(namespace, min(share, self._max_batch - len(batch)))
                if len(batch) >= self._max_batch:
                    break
        return batch

    def _pop(self, namespace: int, most: int) -> list[Request]:
        """Takes the next small commands of a namespace."""
        queue = self._small.pop(namespace)
        count = min(most, len(queue))
        batch = [queue.popleft() for _ in range(count)]
        self._taken(namespace, count)
        self.small_count -= count
        if queue:
            self._small[namespace] = queue  # Behind the others.
        return batch

    def _awake(self, queues: dict[int, deque[Request]]) -> list[int]:
        """Returns the namespaces with commands that do not rest, in the order of their turns."""
        if not self._resting:
            return list(queues)
        return [namespace for namespace in queues if namespace not in self._resting]

    def drain(self) -> list[Request]:
        """Returns all that waits, and forgets it."""
        waiting = list(self._all())
        self._small.clear()
        self._large.clear()
        self._waiting.clear()
        self._count = self.small_count = 0
        return waiting

    def _all(self) -> Iterator[Request]:
        for queues in (self._small, self._large):
            for queue in queues.values():
                yield from queue

    def _taken(self, namespace: int, count: int) -> None:
        self._count -= count
        left = self._waiting[namespace] - count
        if left:
            self._waiting[namespace] = left
        else:
            del self._waiting[namespace]

    def __len__(self) -> int:
        return self._count
