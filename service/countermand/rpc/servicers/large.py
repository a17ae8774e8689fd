"""Large requests, read beside the event loop.

What a creation of 10,000 tasks says takes a quarter of a second to read, in which nobody else would
be answered. A thread that reads it lets others go on every millisecond, since it is Python alone.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from google.protobuf.message import Message

from countermand.core.ids import UuidMaker
from countermand.rpc.method import SMALL
from countermand.rpc.wire.fresh import Fresh

Command = TypeVar("Command")

# One for all: more of them would only take turns from the event loop.
_THREAD = ThreadPoolExecutor(1, "large requests")
_IDS = UuidMaker()
"""Of that thread alone."""


async def read_creation(
    request: Message, read: Callable[[Fresh], Command], fresh: Fresh
) -> Command:
    """Returns what `read` makes of the request, which it does beside the loop if that is large."""
    if request.ByteSize() <= SMALL:
        return read(fresh)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_THREAD, read, fresh._replace(ids=_IDS))
