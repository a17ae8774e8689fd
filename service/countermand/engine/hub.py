"""The hub: tells watchers what was just committed, from memory.

Watchers of the same thing share one topic, a stretch of recent log entries, and each keeps only
its own place in it. So a slow watcher costs nothing more than a fast one: when its place has been
given up to bound the memory, it reads the log instead. A wake-up is a hint, the log is the truth.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from typing import Any

from countermand.core.knobs import HubKnobs
from countermand.core.log import Event, TaskFilter
from countermand.core.records import Target, Task
from countermand.core.states import TargetKind

ENTRY_BYTES = 3000
"""What one entry is taken to cost without labels: the record, its texts, and its encoded form."""
LABEL_BYTES = 100
"""What a label costs beside its text, which is there twice."""

Topic = tuple[Any, ...]
"""What it is a topic of, its namespace, and its id if it has one."""


def task_topic(namespace: int, task_id: str) -> Topic:
    """Returns the topic of one task."""
    return ("task", namespace, task_id)


def filter_topic(namespace: int, chosen: TaskFilter) -> Topic:
    """Returns the narrowest topic that holds all that a filter chooses."""
    targets = chosen.targets(namespace)
    if targets:
        return targets[0]
    if chosen.agent_id is not None:
        return ("agent", namespace, chosen.agent_id)
    return ("all", namespace)


def weight(task: Task | None) -> int:
    """Returns how many bytes of memory a task is taken to cost."""
    if task is None or not task.labels:
        return ENTRY_BYTES
    labels = (LABEL_BYTES + 2 * len(key + value) for key, value in task.labels.items())
    return ENTRY_BYTES + sum(labels)


class Entry:
    """One event on its way to watchers; it is encoded once for all of them."""

    __slots__ = ("event", "wire")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.wire: bytes | None = None
        """The task as it goes on the wire, once somebody encoded it."""


class _Stretch:
    """The recent entries of one topic, and who waits for the next."""

    __slots__ = ("bytes", "entries", "floor", "seqs", "waiters", "watchers")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.seqs: list[int] = []
        self.bytes = 0
        """What the entries are taken to cost."""
        self.floor = 0
        """The place of the last entry that was given up."""
        self.watchers = 0
        self.waiters: set[asyncio.Future[None]] = set()

    def append(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.seqs.append(entry.event.seq)

    def wake(self) -> None:
        waiters, self.waiters = self.waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def give_up(self, count: int) -> None:
        self.floor = self.seqs[count - 1]
        del self.entries[:count]
        del self.seqs[:count]

    def give_up_through(self, seq: int) -> None:
        """Gives up all, and what it may not have been given, up to a place."""
        self.floor = seq
        self.bytes = 0
        self.entries.clear()
        self.seqs.clear()


class Subscription:
    """One watcher's interest in one topic. Close it, or use it in a `with`."""

    __slots__ = ("_hub", "_stretch", "_topic")

    def __init__(self, hub: "Hub", topic: Topic, stretch: _Stretch) -> None:
        self._hub = hub
        self._topic = topic
        self._stretch = stretch

    def after(self, seq: int) -> list[Entry] | None:
        """Returns the next entries above a place; None if they are gone: read the log."""
        stretch = self._stretch
        if seq < stretch.floor:
            return None
        first = bisect_right(stretch.seqs, seq)
        return stretch.entries[first : first + self._hub.max_batch]

    def next(self) -> asyncio.Future[None]:
        """Returns a future that is done when the topic has something new, or a nudge comes."""
        waiter = asyncio.get_running_loop().create_future()
        self._stretch.waiters.add(waiter)
        return waiter

    def forget(self, waiter: asyncio.Future[None]) -> None:
        """Stops waiting for what `next` returned."""
        self._stretch.waiters.discard(waiter)

    def close(self) -> None:
        """Ends the interest."""
        self._hub._leave(self._topic, self._stretch)

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Hub:
    """Holds a bounded stretch of each topic that somebody watches."""

    def __init__(self, knobs: HubKnobs) -> None:
        self._max_bytes = knobs.max_bytes
        self.max_batch = knobs.max_batch
        self._bytes = 0
        self._topics: dict[Topic, _Stretch] = {}
        self._ages: deque[tuple[_Stretch, int]] = deque()
        """Where each kept entry is and what it costs, oldest first."""
        self._orphans = 0
        """How many of these were of topics that nobody watches any more, and are gone."""
        self._ends: dict[int, tuple[int, int]] = {}

    @property
    def watchers(self) -> int:
        """How many subscriptions are open."""
        return sum(stretch.watchers for stretch in self._topics.values())

    def end(self, namespace: int) -> tuple[int, int]:
        """Returns the last place of a namespace's log that was published here, and its time.

        It is (0, 0) before the first one that somebody could watch.
        """
        return self._ends.get(namespace, (0, 0))

    def subscribe(self, topic: Topic) -> Subscription:
        """Begins to keep what is committed from now on. Read the log after this, not before."""
        stretch = self._topics.get(topic)
        if stretch is None:
            stretch = self._topics[topic] = _Stretch()
        stretch.watchers += 1
        return Subscription(self, topic, stretch)

    def publish(self, events: Iterable[Event]) -> None:
        """Gives committed events to whoever watches. Never waits for a watcher."""
        if not self._topics:
            return
        events = list(events)
        try:
            self._publish(events)
        except BaseException:
            self._lose(events)
            raise

    def _lose(self, events: Iterable[Event]) -> None:
        """Lets all who watch a namespace of these read the log: nobody can say what they have."""
        ends = {event.namespace: (event.seq, event.time) for event in events}
        self._ends |= ends
        lost = [(one, *ends[topic[1]]) for topic, one in self._topics.items() if topic[1] in ends]
        for stretch, seq, _ in lost:
            self._bytes -= stretch.bytes
            stretch.give_up_through(seq)
            stretch.wake()
        gone = {stretch for stretch, *_ in lost}
        self._ages = deque(age for age in self._ages if age[0] not in gone)

    def _publish(self, events: Iterable[Event]) -> None:
        touched: set[_Stretch] = set()
        for event in events:
            self._ends[event.namespace] = (event.seq, event.time)
            entry = Entry(event)
            for topic in _topics_of(event):
                stretch = self._topics.get(topic)
                if stretch is not None:
                    self._keep(entry, stretch)
                    touched.add(stretch)
        self._trim()
        for stretch in touched:
            stretch.wake()

    def _keep(self, entry: Entry, stretch: _Stretch) -> None:
        cost = weight(entry.event.task)
        stretch.append(entry)
        stretch.bytes += cost
        self._ages.append((stretch, cost))
        self._bytes += cost

    def _trim(self) -> None:
        excess: dict[_Stretch, int] = {}
        while self._bytes > self._max_bytes and len(self._ages) > 1:
            stretch, cost = self._ages.popleft()
            if not stretch.watchers:
                self._orphans -= 1
                continue
            stretch.bytes -= cost
            self._bytes -= cost
            excess[stretch] = excess.get(stretch, 0) + 1
        for stretch, count in excess.items():
            stretch.give_up(count)

    def _leave(self, topic: Topic, stretch: _Stretch) -> None:
        stretch.watchers -= 1
        if stretch.watchers == 0:
            del self._topics[topic]
            self._bytes -= stretch.bytes
            self._orphans += len(stretch.entries)
            stretch.entries.clear()
            stretch.seqs.clear()
            if 2 * self._orphans > len(self._ages):
                self._ages = deque(age for age in self._ages if age[0].watchers)
                self._orphans = 0


def _topics_of(event: Event) -> set[Topic]:
    namespace, task = event.namespace, event.task
    topics: set[Topic] = {("all", namespace), *event.over}
    if task is None:
        return topics
    topics.add(("task", namespace, task.task_id))
    if task.agent_id is not None:
        topics.add(("agent", namespace, task.agent_id))
    topics.update(TaskFilter(task.group_id, task.checkout_id).targets(namespace))
    for order_id in event.orders:
        topics.add(Target(TargetKind.ORDER, namespace, order_id))
    return topics
