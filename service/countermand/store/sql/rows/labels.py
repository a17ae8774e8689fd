"""The labels of tasks: as their row has them, and the rows by which they are found by one."""

from hashlib import blake2b
from json.encoder import encode_basestring_ascii as quoted
from operator import attrgetter

from countermand.core.records import Task

_DIGEST_BYTES = 8


def label_digest(key: str, value: str) -> int:
    """Returns a number of 64 bits for a label, which finds tasks that may have it. It stands in
    stores."""
    said = f"{len(key)} {key}{value}".encode()
    return int.from_bytes(blake2b(said, digest_size=_DIGEST_BYTES).digest(), signed=True)


class _Label:
    """One label, and which tasks have it."""

    __slots__ = ("digest", "numbers", "text")

    def __init__(self, key: str, value: str) -> None:
        self.digest = label_digest(key, value)
        self.text = f"{quoted(key)}: {quoted(value)}"
        """The member of a JSON object."""
        self.numbers: list[int] = []


class Labels(dict[tuple[str, str], _Label]):
    """The labels of tasks of one namespace, as rows have them.

    What ten thousand tasks of one request say is mostly the same, and to write it takes longer than
    all else of their rows. So each label is written once.
    """

    def __missing__(self, label: tuple[str, str]) -> _Label:
        found = self[label] = _Label(*label)
        return found

    def add(self, task: Task, number: int) -> str:
        """Adds the labels of a task, given its number. Returns them as a JSON object."""
        texts = []
        for label in task.labels.items():
            found = self[label]
            found.numbers.append(number)
            texts.append(found.text)
        return f"{{{', '.join(texts)}}}"

    def rows(self, namespace: int) -> list[tuple[int, int, int]]:
        """Returns the rows by which the tasks are found by their labels, in the order in which the
        table has them: so it is written from one end to the other."""
        return [
            (namespace, label.digest, number)
            for label in sorted(self.values(), key=attrgetter("digest"))
            for number in label.numbers
        ]
