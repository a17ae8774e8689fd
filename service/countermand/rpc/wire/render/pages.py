"""Pages: as much as fits."""

from collections.abc import Iterable
from typing import TypeVar

from google.protobuf.message import Message

Item = TypeVar("Item", bound=Message)

MOST_PAGE_BYTES = 3 * 1024 * 1024 - 1024
"""How large a page may be, with room for its token."""
_FRAME_BYTES = 8


def fit_page(messages: Iterable[Item]) -> list[Item]:
    """Returns the first messages, as many as one page may hold; at least one if there is any."""
    page: list[Item] = []
    size = 0
    for message in messages:
        size += message.ByteSize() + _FRAME_BYTES
        if page and size > MOST_PAGE_BYTES:
            break
        page.append(message)
    return page
