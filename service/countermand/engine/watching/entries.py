"""The entries of the log as watchers are told them, and what they cost."""

from countermand.core.labels import StoredLabels
from countermand.core.log import Event
from countermand.core.records import Task

ENTRY_BYTES = 3000
"""What one entry is taken to cost without labels: the record, its texts, and its encoded form."""
LABEL_BYTES = 100
"""What a label costs beside its text, which is there twice."""


def weight(task: Task | None) -> int:
    """Returns how many bytes of memory a task is taken to cost."""
    if task is None or not task.labels:
        return ENTRY_BYTES
    if isinstance(task.labels, StoredLabels):
        return ENTRY_BYTES + LABEL_BYTES * task.labels.count + 2 * len(task.labels.text)
    labels = (LABEL_BYTES + 2 * len(key + value) for key, value in task.labels.items())
    return ENTRY_BYTES + sum(labels)


class Entry:
    """One event on its way to watchers; it is encoded once for all of them."""

    __slots__ = ("event", "wire")

    def __init__(self, event: Event) -> None:
        self.event = event
        self.wire: bytes | None = None
        """The task as it goes on the wire, once somebody encoded it."""
