"""Lists, page after page."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

PAGE_SIZE = 1000


async def every(read: Callable[[str], Awaitable[Any]], name: str) -> AsyncIterator[Any]:
    """Gives all items of a list: those of the field `name` of each page, which is read by a token.

    What is created meanwhile may be missing.
    """
    token = ""
    while True:
        page = await read(token)
        for item in getattr(page, name):
            yield item
        token = page.next_page_token
        if not token:
            return
