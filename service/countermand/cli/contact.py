"""Says when a server that is watched falls silent, and when it speaks again."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import TypeVar

Message = TypeVar("Message")


async def heard(
    messages: AsyncGenerator[Message], silence: float, say: Callable[[str], None]
) -> AsyncGenerator[Message]:
    """Gives the messages. After so many seconds without one it says so once, and goes on.

    The messages must have heartbeats that come more often. Close it to close them.
    """
    coming = asyncio.ensure_future(anext(messages))
    try:
        while True:
            done, _ = await asyncio.wait([coming], timeout=silence)
            if not done:
                say(f"the server is away: nothing was heard of it for {silence:g} s; trying on")
                await asyncio.wait([coming])
            try:
                message = coming.result()
            except StopAsyncIteration:
                return
            if not done:
                say("the server is back")
            coming = asyncio.ensure_future(anext(messages))
            yield message
    finally:
        coming.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
            await coming
        await messages.aclose()
