"""The messages of watches."""

from enum import StrEnum
from typing import NamedTuple

from countermand.core.records import Task
from countermand.engine.watching.entries import Entry
from countermand.engine.watching.places import Place


class Kind(StrEnum):
    """What a message is."""

    SNAPSHOT = "SNAPSHOT"
    CHANGE = "CHANGE"
    HEARTBEAT = "HEARTBEAT"
    SYNCED = "SYNCED"


class Message(NamedTuple):
    """One message to a watcher."""

    kind: Kind
    task: Task | None
    last: bool = False
    """Whether the watch ends with this message."""
    entry: Entry | None = None
    """The entry that the task is from, which keeps its encoded form for other watchers."""
    place: Place | None = None
    """The place after this message; of watches of many tasks only."""


def change(entry: Entry, *, last: bool, place: Place | None = None) -> Message:
    """Returns the message of one new version, or of a task that came under a watched order."""
    kind = Kind.CHANGE if entry.event.joined is None else Kind.SNAPSHOT
    return Message(kind, entry.event.task, last, entry, place)
