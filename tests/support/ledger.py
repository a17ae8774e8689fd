"""What callers were told, so that it can be held against the store after a fault."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import task_pb2
from tests.support.caller import Caller, new_id, span
from tests.support.waiting import until

Cancel = Callable[[Caller], Awaitable[Any]]


class Ledger:
    """Notes answers, and later finds those that are not true any more."""

    def __init__(self) -> None:
        self.told = 0
        """How many answers and messages it noted."""
        self._tasks: dict[str, task_pb2.Task] = {}
        self._cancels: list[tuple[str, Any, Any]] = []

    def note(self, task: task_pb2.Task) -> None:
        """Notes a task as somebody was shown it."""
        self.told += 1
        known = self._tasks.get(task.task_id)
        if known is None or known.version <= task.version:
            self._tasks[task.task_id] = task

    async def cancel(self, caller: Caller, kind: str, **target: str) -> Any:
        """Cancels a task, group, checkout or order with a request id, and notes the answer."""
        method = f"Cancel{kind.capitalize()}"
        request = getattr(c, f"{method}Request")(
            request_id=new_id(), grace_period=span(600), **target
        )
        answer = await getattr(caller.cancellations, method)(request, timeout=20)
        self._cancels.append((method, request, answer))
        self.told += 1
        return answer

    async def broken_promises(self, caller: Caller) -> list[str]:
        """Returns what was told and is not so, and begins anew."""
        tasks, cancels = self._tasks, self._cancels
        self._tasks, self._cancels = {}, []
        found = [await _task_is_lost(caller, task) for task in tasks.values()]
        found += [await _cancel_is_lost(caller, *cancel) for cancel in cancels]
        return [one for one in found if one]


async def _task_is_lost(caller: Caller, told: task_pb2.Task) -> str:
    try:
        present = await caller.get(told.task_id)
    except grpc.aio.AioRpcError as error:
        return f"task {told.task_id}: {error.details()}"
    if present.version < told.version:
        return f"task {told.task_id} was told of version {told.version}, has {present.version}"
    if present.version == told.version and present.state != told.state:
        return f"task {told.task_id} was told to be {told.state}, and is {present.state}"
    return ""


async def _cancel_is_lost(caller: Caller, method: str, request: Any, told: Any) -> str:
    try:
        again = await getattr(caller.cancellations, method)(request, timeout=20)
    except grpc.aio.AioRpcError as error:
        return f"{method} {request.request_id}: {error.details()}"
    same = again.cancellation.cancellation_id == told.cancellation.cancellation_id
    return "" if again.replayed and same else f"{method} {request.request_id} is forgotten"


async def play(caller: Caller, ledger: Ledger) -> None:
    """One of each: a task, a group, a checkout and an order, created, begun and cancelled."""
    held = await caller.running(lease=600)
    ledger.note(held.task)
    ledger.note((await ledger.cancel(caller, "task", task_id=held.task_id)).task)
    ledger.note(await caller.finish(held, "CANCELLED"))

    made = await caller.create_group(3)
    for task in made.tasks:
        ledger.note(task)
    held = await caller.start(made.tasks[0].task_id, lease=600)
    ledger.note(held.task)
    await ledger.cancel(caller, "group", group_id=made.group.group_id)
    ledger.note(await caller.finish(held))

    sale = await caller.new_checkout(2, running=1, cart_id=new_id())
    ledger.note(sale.held[0].task)
    await ledger.cancel(caller, "checkout", checkout_id=sale.made.checkout_id)
    order = await caller.new_order(2, running=1)
    ledger.note(order.held[0].task)
    await ledger.cancel(caller, "order", order_id=order.made.order_id)


async def play_on(caller: Caller, ledger: Ledger) -> None:
    """Plays again and again, until the server is not there any more."""
    while True:
        try:
            await play(caller, ledger)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return


async def watch_on(caller: Caller, ledger: Ledger) -> None:
    """Notes all that a watcher of everything is shown, until the server is not there any more."""
    try:
        async for message in caller.watch_many(timeout=600):
            if message.HasField("task"):
                ledger.note(message.task)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise


async def loaded(caller: Caller, ledger: Ledger, players: int) -> asyncio.Task[Any]:
    """Returns a load that runs until the server is gone, once its first answers are noted."""
    load = asyncio.gather(
        watch_on(caller, ledger), *(play_on(caller, ledger) for _ in range(players))
    )
    await until(lambda: ledger.told > 0 or load.done())
    return load  # type: ignore[return-value]
