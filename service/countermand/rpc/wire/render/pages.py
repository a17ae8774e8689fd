"""Pages: as much as fits."""

from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.message import Message

Item = TypeVar("Item", bound=Message)

_FRAME_BYTES = 8


def fit_page(messages: Iterable[Item], max_bytes: int) -> list[Item]:
    """Returns the first messages, as many as so many bytes hold; at least one if there is any."""
    page: list[Item] = []
    size = 0
    for message in messages:
        size += message.ByteSize() + _FRAME_BYTES
        if page and size > max_bytes:
            break
        page.append(message)
    return page
