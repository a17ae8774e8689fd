"""What callers and agents do, in few words."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration

from countermand.v1 import agent_service_pb2 as a
from countermand.v1 import cancellation_service_pb2 as c
from countermand.v1 import checkout_pb2, order_pb2, task_pb2, task_service_pb2
from countermand.v1 import checkout_service_pb2 as s
from countermand.v1 import key_service_pb2 as k
from countermand.v1 import order_service_pb2 as o
from tests.support.server import Server, Stubs

PENDING = task_pb2.TASK_STATE_PENDING
RUNNING = task_pb2.TASK_STATE_RUNNING
CANCELLING = task_pb2.TASK_STATE_CANCELLING
CANCELLED = task_pb2.TASK_STATE_CANCELLED
COMPLETED = task_pb2.TASK_STATE_COMPLETED
FAILED = task_pb2.TASK_STATE_FAILED

SNAPSHOT = c.WATCH_TYPE_SNAPSHOT
CHANGE = c.WATCH_TYPE_CHANGE
HEARTBEAT = c.WATCH_TYPE_HEARTBEAT
SYNCED = c.WATCH_TYPE_SYNCED

SCOPES = (
    "tasks:read",
    "tasks:write",
    "tasks:run",
    "tasks:cancel",
    "checkouts:read",
    "checkouts:write",
    "orders:read",
    "orders:write",
    "webhooks:write",
    "refunds:write",
    "operator:read",
    "keys:admin",
)
SECONDS = 20.0
"""After which a call that should have been answered counts as hung."""


def new_id() -> str:
    """Returns a UUID of the caller's choice."""
    return str(uuid4())


def span(seconds: float) -> Duration:
    """Returns a duration."""
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


class Held(NamedTuple):
    """A task that an agent holds."""

    task: task_pb2.Task
    fence: int

    @property
    def task_id(self) -> str:
        return self.task.task_id


class Sale(NamedTuple):
    """A checkout or an order with the tasks that were created with it."""

    made: Any
    """The Checkout or Order."""
    tasks: list[task_pb2.Task]
    held: list[Held]
    """Those that run: the first ones."""


class Caller:
    """One key's view of a server."""

    def __init__(self, stubs: Stubs, tenant: str, key_id: str) -> None:
        self.tenant = tenant
        self.key_id = key_id
        self.channel = stubs.channel
        self.cancellations = stubs.cancellations
        self.tasks = stubs.tasks
        self.agents = stubs.agents
        self.keys = stubs.keys
        self.checkouts = stubs.checkouts
        self.orders = stubs.orders

    async def create(self, **fields: Any) -> task_pb2.Task:
        request = task_service_pb2.CreateTaskRequest(**fields)
        return (await self.tasks.CreateTask(request, timeout=SECONDS)).task

    async def all_tasks(self, **fields: Any) -> list[task_pb2.Task]:
        """Lists tasks, from as many pages as it takes."""
        found: list[task_pb2.Task] = []
        request = task_service_pb2.ListTasksRequest(**fields)
        while True:
            page = await self.tasks.ListTasks(request, timeout=SECONDS)
            found += page.tasks
            request.page_token = page.next_page_token
            if not request.page_token:
                return found

    async def create_group(self, count: int, **fields: Any) -> task_service_pb2.CreateGroupResponse:
        """Creates a group. Of the tasks that the answer leaves out, it answers what was asked."""
        tasks = [task_service_pb2.CreateTaskRequest(task_id=new_id()) for _ in range(count)]
        request = task_service_pb2.CreateGroupRequest(tasks=tasks, **fields)
        answer = await self.tasks.CreateGroup(request, timeout=SECONDS)
        for task in tasks[len(answer.tasks) :]:
            answer.tasks.add(
                task_id=task.task_id, group_id=answer.group.group_id, state=PENDING, version=1
            )
        return answer

    async def start(self, task_id: str, agent_id: str = "agent-1", lease: float = 30) -> Held:
        request = a.StartTaskRequest(task_id=task_id, agent_id=agent_id, lease_duration=span(lease))
        answer = await self.agents.StartTask(request, timeout=SECONDS)
        return Held(answer.task, answer.fence)

    async def running(self, agent_id: str = "agent-1", lease: float = 30, **fields: Any) -> Held:
        """Creates a task and starts it."""
        return await self.start((await self.create(**fields)).task_id, agent_id, lease)

    async def finish(
        self, held: Held, outcome: str = "COMPLETED", failure_message: str = ""
    ) -> task_pb2.Task:
        request = a.FinishTaskRequest(
            task_id=held.task_id,
            fence=held.fence,
            outcome=a.FinishOutcome.Value(f"FINISH_OUTCOME_{outcome}"),
            failure_message=failure_message,
        )
        return (await self.agents.FinishTask(request, timeout=SECONDS)).task

    async def heartbeat(self, agent_id: str, lease: float = 30) -> list[a.Stop]:
        request = a.HeartbeatRequest(agent_id=agent_id, lease_duration=span(lease))
        return list((await self.agents.Heartbeat(request, timeout=SECONDS)).stops)

    async def cancel(
        self, task_id: str, grace: float | None = None, **fields: Any
    ) -> c.CancelTaskResponse:
        request = c.CancelTaskRequest(task_id=task_id, **fields)
        if grace is not None:
            request.grace_period.CopyFrom(span(grace))
        return await self.cancellations.CancelTask(request, timeout=SECONDS)

    async def cancel_group(
        self, group_id: str, grace: float | None = None, **fields: Any
    ) -> c.CancelGroupResponse:
        request = c.CancelGroupRequest(group_id=group_id, **fields)
        if grace is not None:
            request.grace_period.CopyFrom(span(grace))
        return await self.cancellations.CancelGroup(request, timeout=SECONDS)

    async def get(self, task_id: str) -> task_pb2.Task:
        request = task_service_pb2.GetTaskRequest(task_id=task_id)
        return (await self.tasks.GetTask(request, timeout=SECONDS)).task

    async def group(self, group_id: str) -> task_pb2.Group:
        request = task_service_pb2.GetGroupRequest(group_id=group_id)
        return (await self.tasks.GetGroup(request, timeout=SECONDS)).group

    async def cancellation(self, cancellation_id: str):
        request = c.GetCancellationRequest(cancellation_id=cancellation_id)
        answer = await self.cancellations.GetCancellation(request, timeout=SECONDS)
        return answer.cancellation

    async def new_checkout(
        self, tasks: int = 0, *, running: int = 0, supersede: bool = False, **fields: Any
    ) -> Sale:
        """Creates a checkout with so many tasks, and starts the first ones of them."""
        request = s.CreateCheckoutRequest(
            checkout=checkout_pb2.Checkout(**fields),
            tasks=[task_service_pb2.CreateTaskRequest() for _ in range(tasks)],
            supersede=supersede,
        )
        answer = await self.checkouts.CreateCheckout(request, timeout=SECONDS)
        held = [await self.start(task.task_id, lease=600) for task in answer.tasks[:running]]
        return Sale(answer.checkout, list(answer.tasks), held)

    async def new_order(self, tasks: int = 0, *, running: int = 0, **fields: Any) -> Sale:
        """Creates an order with so many tasks of its own, and starts the first ones of them."""
        request = o.CreateOrderRequest(
            order=order_pb2.Order(**fields),
            tasks=[task_service_pb2.CreateTaskRequest() for _ in range(tasks)],
        )
        answer = await self.orders.CreateOrder(request, timeout=SECONDS)
        held = [await self.start(task.task_id, lease=600) for task in answer.tasks[:running]]
        return Sale(answer.order, list(answer.tasks), held)

    async def checkout(self, checkout_id: str) -> checkout_pb2.Checkout:
        request = s.GetCheckoutRequest(checkout_id=checkout_id)
        return (await self.checkouts.GetCheckout(request, timeout=SECONDS)).checkout

    async def complete(self, checkout_id: str) -> s.CompleteCheckoutResponse:
        request = s.CompleteCheckoutRequest(checkout_id=checkout_id)
        return await self.checkouts.CompleteCheckout(request, timeout=SECONDS)

    async def cart(self, cart_id: str) -> checkout_pb2.Cart:
        request = s.GetCartRequest(cart_id=cart_id)
        return (await self.checkouts.GetCart(request, timeout=SECONDS)).cart

    async def change_cart(self, cart_id: str, *line_ids: str) -> s.ChangeCartResponse:
        """Gives a cart one line for each of these ids."""
        lines = [checkout_pb2.LineItem(id=id, total=100) for id in line_ids]
        request = s.ChangeCartRequest(cart_id=cart_id, line_items=lines)
        return await self.checkouts.ChangeCart(request, timeout=SECONDS)

    async def cancel_checkout(
        self, checkout_id: str = "", grace: float = 600, **fields: Any
    ) -> c.CancelCheckoutResponse:
        """Cancels a checkout, by its id or by `cart_id`."""
        request = c.CancelCheckoutRequest(grace_period=span(grace), **fields)
        if checkout_id:
            request.checkout_id = checkout_id
        return await self.cancellations.CancelCheckout(request, timeout=SECONDS)

    async def order(self, order_id: str) -> order_pb2.Order:
        request = o.GetOrderRequest(order_id=order_id)
        return (await self.orders.GetOrder(request, timeout=SECONDS)).order

    async def update_order(self, order_id: str, *paths: str, **fields: Any) -> order_pb2.Order:
        """Updates an order; the paths are its mask."""
        request = o.UpdateOrderRequest(order=order_pb2.Order(order_id=order_id, **fields))
        request.update_mask.paths.extend(paths)
        return (await self.orders.UpdateOrder(request, timeout=SECONDS)).order

    async def cancel_order(
        self, order_id: str, grace: float = 600, **fields: Any
    ) -> c.CancelOrderResponse:
        request = c.CancelOrderRequest(order_id=order_id, grace_period=span(grace), **fields)
        return await self.cancellations.CancelOrder(request, timeout=SECONDS)

    async def begin_charge(self, held: Held) -> task_pb2.Task:
        request = a.BeginChargeRequest(task_id=held.task_id, fence=held.fence)
        return (await self.agents.BeginCharge(request, timeout=SECONDS)).task

    async def report_charge(self, held: Held, word: str) -> task_pb2.Task:
        state = task_pb2.ChargeState.Value(f"CHARGE_STATE_{word}")
        request = a.ReportChargeRequest(task_id=held.task_id, fence=held.fence, charge_state=state)
        return (await self.agents.ReportCharge(request, timeout=SECONDS)).task

    async def settle(
        self, task_id: str, outcome: str = "REFUNDED", **fields: Any
    ) -> task_service_pb2.SettleRefundResponse:
        request = task_service_pb2.SettleRefundRequest(
            task_id=task_id,
            outcome=task_pb2.RefundState.Value(f"REFUND_STATE_{outcome}"),
            **fields,
        )
        return await self.tasks.SettleRefund(request, timeout=SECONDS)

    async def owed(self, **fields: Any) -> Held:
        """Creates and runs a task that fails with its charge begun, so that a refund is due."""
        held = await self.running(lease=600, **fields)
        await self.begin_charge(held)
        return held._replace(task=await self.finish(held, "FAILED"))

    async def refunds(self, state: str, **chosen: Any) -> list[str]:
        """Returns the ids of all tasks with this refund state, page by page."""
        found, token, pages = [], "", 0
        while not pages or token:
            request = task_service_pb2.ListTasksRequest(
                filter=task_pb2.TaskFilter(**chosen),
                refund_state=task_pb2.RefundState.Value(f"REFUND_STATE_{state}"),
                page_size=1000,
                page_token=token,
            )
            page = await self.tasks.ListTasks(request, timeout=SECONDS)
            found += [task.task_id for task in page.tasks]
            token = page.next_page_token
            pages += 1
        return found

    async def listed(self, **fields: Any) -> list[Any]:
        """Lists cancellations page by page."""
        found, token, pages = [], "", 0
        while not pages or token:
            request = c.ListCancellationsRequest(page_token=token, **fields)
            page = await self.cancellations.ListCancellations(request, timeout=SECONDS)
            found += page.cancellations
            token = page.next_page_token
            pages += 1
        return found

    def watch(self, task_id: str, timeout: float = SECONDS, **fields: Any):
        """Opens a WatchTask; iterate over it."""
        request = c.WatchTaskRequest(task_id=task_id, **fields)
        return self.cancellations.WatchTask(request, timeout=timeout)

    def watch_many(self, resume_token: str = "", timeout: float = SECONDS, **chosen: Any):
        """Opens a WatchTasks with this filter; iterate over it."""
        request = c.WatchTasksRequest(
            filter=task_pb2.TaskFilter(**chosen), resume_token=resume_token
        )
        return self.cancellations.WatchTasks(request, timeout=timeout)

    async def ended(self, task_id: str) -> task_pb2.Task:
        """Watches a task until it has ended, and returns it."""
        return (await everything(self.watch(task_id)))[-1].task


async def everything(watch: Any) -> list[Any]:
    """Returns all messages of a watch that ends by itself with OK."""
    return [message async for message in watch]


def unjoined(cancellation: Any) -> Any:
    """Returns a cancellation as it would be if nobody had joined it."""
    alone = type(cancellation)()
    alone.CopyFrom(cancellation)
    alone.ClearField("joins")
    alone.ClearField("join_count")
    return alone


async def take(watch: Any, count: int) -> list[Any]:
    """Returns the next messages of a watch."""
    return [await watch.read() for _ in range(count)]


@asynccontextmanager
async def first_caller(server: Server) -> AsyncIterator[Caller]:
    """Calls a server with its first key, which has all scopes."""
    async with server.connect().channel as channel:
        yield Caller(Stubs(channel), "default", server.key.split("_")[2])


@asynccontextmanager
async def new_caller(server: Server, admin: Caller, **fields: Any) -> AsyncIterator[Caller]:
    """Makes a key, with all scopes in a tenant of its own unless told otherwise, and calls."""
    fields = {
        "tenant": f"tenant-{new_id()}",
        "environment": "sandbox",
        "scopes": SCOPES,
        **fields,
    }
    made = await admin.keys.CreateKey(k.CreateKeyRequest(**fields), timeout=SECONDS)
    async with server.connect(made.secret).channel as channel:
        yield Caller(Stubs(channel), made.key.tenant, made.key.key_id)
