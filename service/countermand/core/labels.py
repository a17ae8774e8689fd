"""The labels of a task."""

import json
from collections.abc import ItemsView, Iterator, Mapping

_MEMBER = '": "'
"""What stands once in each member of a JSON object of texts, and in none of its texts: a quotation
mark in them has a backslash before it."""


class StoredLabels(Mapping[str, str]):
    """Labels as a store has them: a JSON object of texts, which is read when somebody asks.

    A cancel of ten thousand tasks changes none of their labels, and to read them takes longer than
    all else of loading them.
    """

    __slots__ = ("_read", "text")

    def __init__(self, text: str) -> None:
        """It is an object of texts as Python's `json` writes it, with a space behind each colon."""
        self.text = text
        self._read: dict[str, str] | None = None

    @property
    def count(self) -> int:
        """How many there are; known without reading them."""
        return self.text.count(_MEMBER)

    def _labels(self) -> dict[str, str]:
        if self._read is None:
            self._read = json.loads(self.text)
        return self._read

    def __getitem__(self, key: str) -> str:
        return self._labels()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels())

    def __len__(self) -> int:
        return len(self._labels())

    def __bool__(self) -> bool:
        return self.text != "{}"

    def items(self) -> ItemsView[str, str]:
        """Returns the keys and values."""
        return self._labels().items()

    def __repr__(self) -> str:
        return repr(self._labels())
