"""The alarms of the hub: who is to hear of a holder or record, whatever topic it watches."""

from collections.abc import Iterable
from typing import Protocol

from countermand.core.records import Target
from countermand.engine.watching.topics import Topic


class Alarmed(Protocol):
    """A subscription that can be alarmed."""

    topic: Topic

    def alarm(self) -> None:
        """Counts an alarm, and wakes who waits."""


class Alarms:
    """Who is to hear of which holders, whatever its topic."""

    def __init__(self) -> None:
        self._by_holder: dict[Topic, dict[Alarmed, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_holder)

    def add(self, subscription: Alarmed, holders: Iterable[Topic]) -> None:
        """Lets a subscription hear of these."""
        for holder in holders:
            self._by_holder.setdefault(holder, {})[subscription] = None

    def remove(self, subscription: Alarmed, holders: Iterable[Topic]) -> None:
        """Lets it hear of these no more."""
        for holder in holders:
            subscriptions = self._by_holder[holder]
            subscriptions.pop(subscription, None)
            if not subscriptions:
                del self._by_holder[holder]

    def over(self, holder: Target) -> None:
        """Alarms those to whom it is no entry of their topic."""
        for subscription in self._by_holder.get(holder, ()):
            if subscription.topic != holder:
                subscription.alarm()

    def sound(self, holder: Topic) -> None:
        """Alarms all who are to hear of it."""
        for subscription in self._by_holder.get(holder, ()):
            subscription.alarm()

    def all(self, namespace: int | None = None) -> None:
        """Alarms everybody who is to hear of something of a namespace; None: of any."""
        for holder in self._by_holder:
            if namespace in (None, holder[1]):
                self.sound(holder)
