"""A store that was copied into PostgreSQL answers as it did: whatever a caller knows of it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import order_service_pb2 as o
from countermand.v1 import task_pb2
from countermand.v1 import task_service_pb2 as t
from tests.support.caller import Caller, everything, new_id
from tests.support.inside import inside
from tests.support.knobs import PRODUCTION

LONG = 3600
GROUP, CHECKOUT, ORDER, CART = new_id(), "c-1", "o-1", "k-1"


@dataclass
class Known:
    """What callers were told of a store, and may ask it again."""

    task_ids: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    last_id: str = ""
    """The task with which the log ends."""
    resume_tokens: list[str] = field(default_factory=list)
    repeats: list[Callable[[Caller], Awaitable[Message]]] = field(default_factory=list)
    """Calls with a request id, each once more."""

    async def ask(self, caller: Caller, call: Callable[[Caller], Awaitable[Any]]) -> Any:
        """Calls, and does so again whenever it is asked for."""
        self.repeats.append(call)
        return await call(caller)


async def play(caller: Caller) -> Known:
    """Brings about a record of every kind, in every state that tasks and cancellations have."""
    known, ids = Known(), [new_id() for _ in range(12)]
    watch = caller.watch_many()
    await watch.read()
    pending = await caller.create(labels={"café": "crème \u2603"}, merchant="Čaj €")
    running = await caller.running("agent-1", LONG)
    stopped = await caller.running("agent-2", LONG)
    said = {"reason": "fraud", "message": "Zrušeno \U0001f6d1", "on_behalf_of": "till 9"}
    await known.ask(caller, lambda by: by.cancel(stopped.task_id, LONG, request_id=ids[0], **said))
    await known.ask(caller, lambda by: by.cancel(stopped.task_id, LONG, request_id=ids[1]))
    await caller.finish(stopped, "CANCELLED")
    forced = await caller.running("agent-1", LONG)
    await known.ask(caller, lambda by: by.cancel(forced.task_id, 0, request_id=ids[2]))
    await caller.ended(forced.task_id)
    stopping = await caller.running("agent-2", LONG)
    await known.ask(caller, lambda by: by.cancel(stopping.task_id, LONG, request_id=ids[3]))
    done = await caller.running("agent-1", LONG)
    await caller.finish(done)
    await known.ask(
        caller, lambda by: by.cancel(ids[4], allow_missing=True, request_id=ids[5], reason="early")
    )
    group = await caller.create_group(3, group_id=GROUP)
    await caller.start(group.tasks[0].task_id, "agent-2", LONG)
    await known.ask(caller, lambda by: by.cancel_group(GROUP, LONG, request_id=ids[6]))
    await caller.change_cart(CART, "line", "löne")
    sale = await caller.new_checkout(
        2, running=1, checkout_id=CHECKOUT, cart_id=CART, buyer={"first_name": "Gül"}
    )
    order = await caller.new_order(2, running=1, order_id=ORDER, checkout_ids=[CHECKOUT])
    await known.ask(caller, lambda by: by.cancel_order(ORDER, LONG, request_id=ids[7], **said))
    owed = await caller.owed()
    await known.ask(caller, lambda by: by.settle(owed.task_id, request_id=ids[8], note="by hand"))
    known.ended = [stopped.task_id, forced.task_id, done.task_id, owed.task_id]
    known.task_ids = [
        *(pending.task_id, running.task_id, stopping.task_id, *known.ended),
        *(task.task_id for task in (*group.tasks, *sale.tasks, *order.tasks)),
    ]
    known.last_id = (await caller.create()).task_id
    async for message in watch:
        if message.task.task_id == known.last_id:
            break
        known.resume_tokens += filter(None, [message.resume_token])
    watch.cancel()
    return known


async def pages(call: Callable[..., Any], request: Message) -> list[Message]:
    """Returns each page of a list, with its token for the next."""
    found = []
    while not found or found[-1].next_page_token:
        found.append(await call(request))
        request.page_token = found[-1].next_page_token
    return found


async def told_since(caller: Caller, token: str, last_id: str) -> list[Message]:
    """Returns what a watch is told that goes on from there, to the end of the log."""
    watch = caller.watch_many(token)
    found = [await watch.read()]
    while found[-1].task.task_id != last_id:
        found.append(await watch.read())
    watch.cancel()
    return found


async def answers(caller: Caller, known: Known) -> dict[str, Any]:
    """Returns all that a store answers to who knows it."""
    found: dict[str, Any] = {}
    for id in known.task_ids:
        found[f"task {id}"] = await caller.get(id)
    for id in known.ended:
        found[f"watch of {id}"] = await everything(caller.watch(id, after_version=0))
    for filter in ({}, {"group_id": GROUP}, {"checkout_id": CHECKOUT}, {"order_id": ORDER}):
        request = t.ListTasksRequest(filter=task_pb2.TaskFilter(**filter), page_size=2)
        found[f"tasks {filter}"] = await pages(caller.tasks.ListTasks, request)
    for query in (
        {"label": t.Label(key="café", value="crème \u2603")},
        {"merchant": "Čaj €"},
        {"refund_state": task_pb2.REFUND_STATE_REFUNDED},
        {"states": [task_pb2.TASK_STATE_CANCELLING]},
    ):
        request = t.ListTasksRequest(page_size=2, **query)
        found[f"tasks {query}"] = await pages(caller.tasks.ListTasks, request)
    targets = [{"task_id": id} for id in known.task_ids]
    for target in (
        *({}, {"reason": "fraud"}, {"group_id": GROUP}),
        *({"checkout_id": CHECKOUT}, {"order_id": ORDER}, *targets),
    ):
        request = c.ListCancellationsRequest(page_size=1, **target)
        listed = await pages(caller.cancellations.ListCancellations, request)
        found[f"cancellations {target}"] = listed
        for page in listed:
            for one in page.cancellations:
                id = one.cancellation_id
                found[f"cancellation {id}"] = await caller.cancellation(id)
    for key in (1, 2, 3, 4):
        request = c.SummarizeCancellationsRequest(group_by=key)
        found[f"summary {key}"] = await caller.cancellations.SummarizeCancellations(request)
    found["group"] = await caller.group(GROUP)
    found["checkout"] = await caller.checkout(CHECKOUT)
    found["order"] = await caller.order(ORDER)
    found["cart"] = await caller.cart(CART)
    found["checkouts"] = await caller.checkouts.ListCheckouts(s.ListCheckoutsRequest())
    found["carts"] = await caller.checkouts.ListCarts(s.ListCartsRequest())
    found["orders"] = await caller.orders.ListOrders(o.ListOrdersRequest())
    for token in known.resume_tokens:
        found[f"watch from {token}"] = await told_since(caller, token, known.last_id)
    for number, repeat in enumerate(known.repeats):
        found[f"repeat {number}"] = await repeat(caller)
    return found


async def test_a_copied_store_answers_alike(tmp_path: Path, database: str) -> None:
    """Every read, list and page, each request id once more, each resume token; by the same key."""
    transfer = pytest.importorskip("countermand.store.transfer", reason="psycopg is not installed")
    source = f"sqlite:///{tmp_path / 'inside.db'}"
    async with inside(tmp_path, knobs=PRODUCTION, url=source) as server:
        first_key = server.key
        async with server.caller() as caller:
            known = await play(caller)
    assert len(known.resume_tokens) > 20
    async with inside(tmp_path, knobs=PRODUCTION, url=source) as server:
        server.key = first_key
        async with server.caller() as caller:
            before = await answers(caller, known)
    assert all(one.replayed for name, one in before.items() if name.startswith("repeat"))
    transfer.copy(tmp_path / "inside.db", database, PRODUCTION.store, lambda step: None)
    async with inside(tmp_path, knobs=PRODUCTION, url=database) as server:
        server.key = first_key
        async with server.caller() as caller:
            after = await answers(caller, known)
            assert after == before
            # It goes on, too: what runs can be stopped, and what is early comes.
            running = known.task_ids[1]
            assert (await caller.cancel(running, 0)).task.task_id == running
            assert (await caller.ended(running)).cancellation_id
