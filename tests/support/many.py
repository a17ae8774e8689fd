"""Many calls, some at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

import grpc

from tests.support.caller import Caller

Item = TypeVar("Item")

AT_ONCE = 20
MAX_PER_GROUP = 1000


def each(items: Iterable[Item], call: Callable[[Item], Awaitable[Any]]) -> list[asyncio.Task[Any]]:
    """Begins to call once for each. Where the server dies, or is dead, the answer is None."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(item: Item) -> Any:
        async with gate:
            try:
                return await call(item)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                return None

    return [asyncio.create_task(one(item)) for item in items]


async def some_of(calls: list[asyncio.Task[Any]], count: int) -> None:
    """Returns when so many of the calls have been answered."""
    for number, call in enumerate(asyncio.as_completed(calls), start=1):
        await call
        if number >= count:
            return


async def running_tasks(caller: Caller, count: int) -> list[str]:
    """Makes tasks that an agent holds for an hour. Returns their ids."""
    sizes = [min(MAX_PER_GROUP, count - done) for done in range(0, count, MAX_PER_GROUP)]
    made = await asyncio.gather(*each(sizes, caller.create_group))
    ids = [task.task_id for answer in made for task in answer.tasks]
    await asyncio.gather(*each(ids, lambda id: caller.start(id, lease=3600)))
    return ids
