"""What is said of a server that falls silent while it is watched."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from countermand.cli.contact import heard

SILENCE = 0.05


class Server:
    """Speaks when it is told to."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[str | BaseException] = asyncio.Queue()
        self.left = False

    async def messages(self) -> AsyncGenerator[str]:
        try:
            while (word := await self.words.get()) != "the end":
                if isinstance(word, BaseException):
                    raise word
                yield str(word)
        finally:
            self.left = True


async def until(said: list[str], count: int) -> None:
    while len(said) < count:  # noqa: ASYNC110  # nothing signals it
        await asyncio.sleep(0.01)


async def test_silence_is_said_once_and_so_is_its_end():
    server, said, given = Server(), [], []

    async def follow() -> None:
        async for message in heard(server.messages(), SILENCE, said.append):
            given.append(message)

    following = asyncio.create_task(follow())
    server.words.put_nowait("first")
    await until(said, 1)
    await asyncio.sleep(3 * SILENCE)
    assert (given, len(said)) == (["first"], 1)
    assert said[0].startswith("the server is away: nothing was heard of it for 0.05 s")
    server.words.put_nowait("second")
    await until(said, 3)
    assert said == [said[0], "the server is back", said[0]]
    server.words.put_nowait("the end")
    await following
    assert given == ["first", "second"]
    assert said[3:] == []  # its end is no return


async def test_who_is_heard_in_time_is_not_said_to_be_away():
    server, said = Server(), []
    for word in ("first", "second", "the end"):
        server.words.put_nowait(word)
    found = [message async for message in heard(server.messages(), 10, said.append)]
    assert (found, said) == (["first", "second"], [])


async def test_what_ends_the_messages_ends_it_too():
    server, said = Server(), []
    server.words.put_nowait(LookupError("gone"))
    with pytest.raises(LookupError, match="gone"):
        async for _ in heard(server.messages(), 10, said.append):
            pass
    assert server.left


async def test_whoever_leaves_ends_the_messages():
    server = Server()
    server.words.put_nowait("first")
    async with aclosing(heard(server.messages(), 10, print)) as messages:
        async for message in messages:
            assert message == "first"
            break
    assert server.left


async def test_a_cancelled_follower_ends_the_messages():
    server = Server()

    async def follow() -> None:
        async with aclosing(heard(server.messages(), 10, print)) as messages:
            async for _ in messages:
                pass

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
    assert server.left
