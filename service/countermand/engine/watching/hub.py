"""The hub: tells watchers what was just committed, from memory.

Watchers of the same thing share one topic, a stretch of recent log entries, and each keeps only
its own place in it. So a slow watcher costs nothing more than a fast one: when its place has been
given up to bound the memory, it reads the log instead. A wake-up is a hint, the log is the truth.

A topic never says that there is nothing new unless it knows. One that nobody watched until now
knows nothing, since it did not hear what was committed before: it knows from its first entry on, or
from where a watcher says that the log was read to after the topic began.
"""

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from countermand.core.cancellations import Cancellation
from countermand.core.changes import Saves
from countermand.core.knobs import HubKnobs
from countermand.core.log import Event, RecordEvent
from countermand.core.records import Holder
from countermand.engine.watching.alarms import Alarms
from countermand.engine.watching.entries import Entry, weight
from countermand.engine.watching.stretch import UNKNOWN, Stretch
from countermand.engine.watching.topics import EVERY, Topic, record_topic, topics_of
from countermand.store.contract import LogEnd


class Subscription:
    """One watcher's interest in one topic. Close it, or use it in a `with`."""

    __slots__ = ("_holders", "_hub", "_stretch", "alarms", "topic")

    def __init__(
        self, hub: "Hub", topic: Topic, stretch: Stretch, holders: tuple[Topic, ...]
    ) -> None:
        self._hub = hub
        self.topic = topic
        self._stretch = stretch
        self._holders = holders
        self.alarms = 0
        """How often one of the holders was over or was removed, which need not be an entry of this
        topic: what it means to the watch is in the log."""

    def after(self, seq: int) -> list[Entry] | None:
        """Returns the next entries above a place; None if the topic does not know them all: read
        the log."""
        stretch = self._stretch
        if seq < stretch.floor:
            return None
        first = bisect_right(stretch.seqs, seq)
        return stretch.entries[first : first + self._hub.max_batch]

    def was_read(self, through: int) -> None:
        """Says that the log, in a reading that began after this subscription, has nothing of the
        topic above a place."""
        if self._stretch.floor == UNKNOWN:
            self._stretch.floor = through

    def alarm(self) -> None:
        """Counts an alarm, and wakes who waits."""
        self.alarms += 1
        self._stretch.wake()

    def next(self) -> asyncio.Future[None]:
        """Returns a future that is done when the topic has something new, or an alarm comes."""
        waiter = asyncio.get_running_loop().create_future()
        self._stretch.waiters[waiter] = None
        return waiter

    def forget(self, waiter: asyncio.Future[None]) -> None:
        """Stops waiting for what `next` returned."""
        self._stretch.waiters.pop(waiter, None)

    def close(self) -> None:
        """Ends the interest."""
        self._hub._alarms.remove(self, self._holders)
        self._hub._leave(self.topic, self._stretch)

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
        self._topics: dict[Topic, Stretch] = {}
        self._watched: dict[int, int] = {}
        """How many topics there are of each namespace."""
        self._ages: deque[tuple[Stretch, int]] = deque()
        """Where each kept entry is and what it costs, oldest first."""
        self._orphans = 0
        """How many of these were of topics that nobody watches any more, and are gone."""
        self._ends: dict[int, tuple[int, int]] = {}
        self.published = 0
        """How many events were published while somebody watched: the last place of `EVERY`."""
        self._alarms = Alarms()
        self.hear_first: Callable[[], None] = lambda: None
        """Is called when something of a namespace is watched of which nothing was."""

    @property
    def watchers(self) -> int:
        """How many subscriptions are open."""
        return sum(stretch.watchers for stretch in self._topics.values())

    def end(self, namespace: int) -> tuple[int, int]:
        """Returns the last place of a namespace's log that was published here, and its time.

        It is (0, 0) before the first one that somebody could watch.
        """
        return self._ends.get(namespace, (0, 0))

    def subscribe(self, topic: Topic, holders: tuple[Topic, ...] = ()) -> Subscription:
        """Begins to keep what is committed from now on. Read the log after this, not before.

        An alarm tells when one of these holders is over, or was removed; of a record's topic, when
        it has a new version, or was removed.
        """
        stretch = self._topics.get(topic)
        if stretch is None:
            stretch = self._topics[topic] = Stretch()
            self._watched[topic[1]] = self._watched.get(topic[1], 0) + 1
            if self._watched[topic[1]] == 1:
                self.hear_first()
        stretch.watchers += 1
        subscription = Subscription(self, topic, stretch, holders)
        self._alarms.add(subscription, holders)
        return subscription

    @property
    def watched(self) -> Collection[int] | None:
        """The namespaces of which something is watched; None: all."""
        return None if EVERY in self._topics else self._watched.keys()

    def outdate(self, namespace: int, topics: Iterable[Topic] | None, end: LogEnd) -> None:
        """Lets who watches any of these read the log up to its end, since others committed there;
        None: whoever watches something of the namespace."""
        self._ends[namespace] = max(self.end(namespace), (end.seq, end.time))
        self.published += 1
        if topics is None:
            self._alarms.all(namespace)
            topics = [topic for topic in self._topics if topic[1] == namespace]
        else:
            topics = list(topics)
            for topic in topics:
                self._alarms.sound(topic)
        for topic in (*topics, EVERY):
            stretch = self._topics.get(topic)
            if stretch is not None:
                self._bytes -= stretch.outdate(self.published if topic == EVERY else end.seq)
                stretch.wake()

    def alarm_holders(self, namespace: int) -> None:
        """Lets who watches a holder of the namespace look whether it was removed."""
        self._alarms.all(namespace)

    def lose(self, namespace: int, end: LogEnd) -> None:
        """Forgets what it has of a namespace, whose log lost its end: it ends here now."""
        self._give_up({namespace: (end.seq, end.time)})
        self._alarms.all(namespace)

    def take(self, saves: Saves) -> None:
        """Publishes what a batch saved, and which holders it changed and removed."""
        events = saves.events
        if saves.attached:
            events = sorted([*events, *saves.attached], key=_place)
        self.publish(events, _removed(saves), saves.records)

    def take_removals(self, saves: Saves) -> None:
        """Alarms those who watch what a batch removed, and publishes nothing of it."""
        self.publish((), _removed(saves))

    def publish(
        self,
        events: Iterable[Event],
        removed: Iterable[Topic] = (),
        records: Sequence[RecordEvent] = (),
    ) -> None:
        """Gives committed events to whoever watches, and alarms who is to hear of what was removed,
        or of which record has a new version. Never waits for one."""
        if not self._topics:
            return
        events = list(events)
        try:
            self._publish(events, removed, records)
        except BaseException:
            self._lose(events)
            raise

    def _lose(self, events: Iterable[Event]) -> None:
        """Lets all who watch a namespace of these read the log: nobody can say what they have."""
        self._give_up({event.namespace: (event.seq, event.time) for event in events})
        self._alarms.all()

    def _give_up(self, ends: Mapping[int, tuple[int, int]]) -> None:
        """Gives up all entries of these namespaces, which end there."""
        self._ends |= ends
        lost = [(one, *ends[topic[1]]) for topic, one in self._topics.items() if topic[1] in ends]
        self.published += len(ends)
        if EVERY in self._topics:
            lost.append((self._topics[EVERY], self.published, 0))
        for stretch, seq, _ in lost:
            self._bytes -= stretch.bytes
            stretch.give_up_through(seq)
            stretch.wake()
        gone = {stretch for stretch, *_ in lost}
        self._ages = deque(age for age in self._ages if age[0] not in gone)

    def _publish(
        self, events: Sequence[Event], removed: Iterable[Topic], records: Sequence[RecordEvent]
    ) -> None:
        touched: dict[Stretch, None] = {}
        every = self._topics.get(EVERY)
        for event in events:
            self._ends[event.namespace] = (event.seq, event.time)
            entry = Entry(event)
            if event.joined is None:
                self.published += 1
            if every is not None and event.joined is None:
                self._keep(entry, every, self.published)
                touched[every] = None
            for topic in topics_of(event):
                stretch = self._topics.get(topic)
                if stretch is not None:
                    self._keep(entry, stretch, event.seq)
                    touched[stretch] = None
        for record in records:
            self._ends[record.namespace] = (record.seq, record.time)
        self._trim()
        for stretch in touched:
            stretch.wake()
        if self._alarms:
            for event in events:
                for holder in event.over:
                    self._alarms.over(holder)
            for topic in (*removed, *_watched(records)):
                self._alarms.sound(topic)

    def _keep(self, entry: Entry, stretch: Stretch, seq: int) -> None:
        cost = weight(entry.event.task)
        stretch.append(entry, seq)
        stretch.bytes += cost
        self._ages.append((stretch, cost))
        self._bytes += cost

    def _trim(self) -> None:
        excess: dict[Stretch, int] = {}
        while self._bytes > self._max_bytes and len(self._ages) > 1:
            stretch, cost = self._ages.popleft()
            if not stretch.watchers:
                self._orphans -= 1
                continue
            if stretch.outdated:
                stretch.outdated -= 1
                continue
            stretch.bytes -= cost
            self._bytes -= cost
            excess[stretch] = excess.get(stretch, 0) + 1
        for stretch, count in excess.items():
            stretch.give_up(count)

    def _leave(self, topic: Topic, stretch: Stretch) -> None:
        stretch.watchers -= 1
        if stretch.watchers == 0:
            del self._topics[topic]
            self._watched[topic[1]] -= 1
            if not self._watched[topic[1]]:
                del self._watched[topic[1]]
            self._bytes -= stretch.bytes
            self._orphans += len(stretch.entries) + stretch.outdated
            stretch.entries.clear()
            stretch.seqs.clear()
            if 2 * self._orphans > len(self._ages):
                self._ages = deque(age for age in self._ages if age[0].watchers)
                self._orphans = 0


def _removed(saves: Saves) -> list[Topic]:
    """Returns the topics of the holders that a batch removed."""
    removed = [one.target for one in saves.gone if isinstance(one, Holder)]
    return [*removed, *map(record_topic, removed)]


def _watched(records: Iterable[RecordEvent]) -> Iterator[Topic]:
    """Yields the topics of those that can be watched themselves."""
    for event in records:
        if not isinstance(event.record, Cancellation):
            yield record_topic(event.record.target)


def _place(event: Event) -> tuple[int, int]:
    return event.namespace, event.seq
