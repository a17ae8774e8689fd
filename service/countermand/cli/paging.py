"""Lists, page after page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

PAGE_SIZE = 1000


async def every(
    read: Callable[[str], Awaitable[Any]], name: str, first: Any = None
) -> AsyncIterator[Any]:
    """Gives all items of a list: those of the field `name` of each page, which is read by a token,
    and of the first one if that was read already.

    What is created meanwhile may be missing.
    """
    page = await read("") if first is None else first
    while True:
        for item in getattr(page, name):
            yield item
        if not page.next_page_token:
            return
        page = await read(page.next_page_token)
