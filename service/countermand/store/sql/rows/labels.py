"""Rows by which tasks are found by a label."""

from collections.abc import Iterator
from hashlib import blake2b

from countermand.core.records import Task

_DIGEST_BYTES = 8


def label_digest(key: str, value: str) -> int:
    """Returns a number of 64 bits for a label, which finds tasks that may have it. It stands in
    stores."""
    said = f"{len(key)} {key}{value}".encode()
    return int.from_bytes(blake2b(said, digest_size=_DIGEST_BYTES).digest(), signed=True)


def write_labels(task: Task) -> Iterator[tuple[int, int, int]]:
    """Yields the rows of a new task's labels."""
    for key, value in task.labels.items():
        yield task.number, label_digest(key, value), task.namespace
