"""`countermand watch`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated, ClassVar, TypedDict

import typer
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from rich.text import Text

from countermand.app.standard_streams import note
from countermand.cli.account import refund_word
from countermand.cli.contact import heard
from countermand.cli.options import Access, JsonOption, calls_server
from countermand.cli.output import STYLES, moment, show, to_json, word
from countermand.cli.tenants import (
    AllOption,
    EnvironmentOption,
    TenantOption,
    lacks_operator_scope,
)
from countermand.client import Client, CountermandError
from countermand.v1.cancellation_service_pb2 import (
    WatchCheckoutResponse,
    WatchOrderResponse,
    WatchTaskResponse,
    WatchTasksResponse,
    WatchType,
)
from countermand.v1.checkout_pb2 import Checkout, CheckoutState
from countermand.v1.operator_service_pb2 import OperatorServiceWatchTasksResponse
from countermand.v1.order_pb2 import Order, OrderState
from countermand.v1.task_pb2 import CancelProof, ChargeState, Task, TaskFilter, TaskState

Response = (
    WatchTaskResponse
    | WatchTasksResponse
    | WatchCheckoutResponse
    | WatchOrderResponse
    | OperatorServiceWatchTasksResponse
)
Messages = AsyncGenerator[Response]

_HEARTBEAT_INTERVAL = timedelta(seconds=1)
_SILENCE = 2.5
"""Seconds without a heartbeat after which the server is said to be away."""


@calls_server
def watch(
    target_id: Annotated[
        str,
        typer.Argument(metavar="ID", help="A task's, or as the options say.", show_default=False),
    ] = "",
    group: Annotated[
        bool, typer.Option("--group", help="ID is a group's: follow its tasks.")
    ] = False,
    checkout: Annotated[
        bool, typer.Option("--checkout", help="ID is a checkout's: follow its tasks.")
    ] = False,
    order: Annotated[
        bool, typer.Option("--order", help="ID is an order's: its tasks, checkouts' too.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="With these two: the checkout or order itself.")
    ] = False,
    agent: Annotated[
        str, typer.Option(metavar="AGENT", help="Follow all tasks of this agent.")
    ] = "",
    all_tenants: AllOption = False,
    tenant: TenantOption = "",
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """Follow a task to its end, or all tasks of a group, checkout or order, or of everybody.

    Prints one line for each version, beginning with the present one; with --json one message a
    line. It outlives a restart of the server, and neither repeats nor skips a version, but for
    other tenants' tasks. When the server is away it says so on stderr, and goes on for five
    minutes.

    Examples:

    - `countermand watch --order 63-1`

    - `countermand watch --all --json`
    """
    if group + checkout + order > 1:
        raise typer.BadParameter("give one of --group, --checkout and --order")
    if record and not (checkout or order):
        raise typer.BadParameter("needs --checkout or --order", param_hint="'--record'")
    of_tenants = all_tenants or bool(tenant or environment)
    if bool(target_id) + bool(agent) + of_tenants != 1:
        raise typer.BadParameter("give one of ID, --agent and --all")

    def follow(client: Client) -> Messages:
        alive: _Alive = {"heartbeat_interval": _HEARTBEAT_INTERVAL, "heartbeats": True}
        if of_tenants:
            whose = {"tenant": tenant, "environment": environment or ""}
            return client.watch_tasks_of_tenants(**whose, **alive)
        if agent:
            return client.watch_tasks(TaskFilter(agent_id=agent), **alive)
        if record and checkout:
            return client.watch_checkout_record(target_id, **alive)
        if record:
            return client.watch_order_record(target_id, **alive)
        if group:
            return client.watch_tasks(TaskFilter(group_id=target_id), **alive)
        if checkout:
            return client.watch_tasks(TaskFilter(checkout_id=target_id), **alive)
        if order:
            return client.watch_tasks(TaskFilter(order_id=target_id), **alive)
        return client.watch_task(target_id, **alive)

    holder = "group" if group else "checkout" if checkout else "order" if order else ""

    async def run() -> None:
        async with access.connect() as client:
            try:
                await _follow(follow(client), "" if record else holder, as_json)
            except CountermandError as error:
                if not lacks_operator_scope(error) or not all_tenants or tenant or environment:
                    raise
                alive: _Alive = {"heartbeat_interval": _HEARTBEAT_INTERVAL, "heartbeats": True}
                await _follow(client.watch_tasks(**alive), "", as_json)

    asyncio.run(run())


async def _follow(messages: Messages, holder: str, as_json: bool) -> None:
    waits = Waiting(holder) if holder else None
    async with aclosing(heard(messages, _SILENCE, note)) as following:
        async for message in following:
            _show(message, as_json)
            if waits is not None and isinstance(message, WatchTasksResponse):
                waits.hear(message)


class Waiting:
    """What a watch of a group, checkout or order still waits for when all of its tasks have
    ended."""

    ENDS: ClassVar = {
        "group": "the group is open: it is over when it is cancelled",
        "checkout": "the checkout is open: it is over when it is completed or cancelled",
        "order": "the order is open: it is over when it is closed or cancelled",
    }

    def __init__(self, holder: str) -> None:
        self._end = self.ENDS[holder]
        self._live: set[str] = set()
        self._seen: set[str] = set()
        self._synced = self._said = False

    def hear(self, message: WatchTasksResponse) -> None:
        """Takes a message, and says what is waited for if that is new."""
        if message.HasField("task"):
            task = message.task
            self._seen.add(task.task_id)
            if task.HasField("end_time"):
                self._live.discard(task.task_id)
            else:
                self._live.add(task.task_id)
                self._said = False
        self._synced |= message.type == WatchType.WATCH_TYPE_SYNCED
        if not self._synced or self._live or self._said or message.last:
            return
        self._said = True
        count = len(self._seen)
        all_ended = f"all {count} tasks have ended" if count else "it has no task yet"
        note(f"{all_ended}, and {self._end}; waiting on")


def _show(message: Response, as_json: bool) -> None:
    if message.type == WatchType.WATCH_TYPE_HEARTBEAT and not getattr(message, "last", False):
        return
    if as_json:
        show(to_json(message))
    elif isinstance(message, WatchCheckoutResponse):
        show(record_line(message.checkout, CheckoutState, message.checkout.checkout_id))
    elif isinstance(message, WatchOrderResponse):
        show(record_line(message.order, OrderState, message.order.order_id))
    elif isinstance(message, OperatorServiceWatchTasksResponse):
        if message.HasField("task"):
            whose = f"  tenant={message.task.tenant}  environment={message.task.environment}"
            show(line(message.task.task) + Text(whose))
    elif message.HasField("task"):
        show(line(message.task))


class _Alive(TypedDict):
    heartbeat_interval: timedelta
    heartbeats: bool


def line(task: Task) -> Text:
    """One version of a task in one line, which is easy to search."""
    state = word(TaskState, task.state)
    charged = task.charge_state not in (
        ChargeState.CHARGE_STATE_UNSPECIFIED,
        ChargeState.CHARGE_STATE_NONE,
    )
    return Text.assemble(
        f"{moment(task.update_time)}  {task.task_id}  version={task.version}  state=",
        (state, STYLES.get(state, "")),
        f"  proof={word(CancelProof, task.cancel_proof)}  deadline={moment(task.deadline_time)}",
        f"  charge={word(ChargeState, task.charge_state)}" if charged else "",
        refund_word(task.refund_state),
    )


def record_line(record: Checkout | Order, states: EnumTypeWrapper, record_id: str) -> Text:
    """One version of a checkout or order in one line, which is easy to search."""
    state = word(states, record.state)
    return Text.assemble(
        f"{moment(record.update_time)}  {record_id}  version={record.version}  state=",
        (state, STYLES.get(state, "")),
        f"  cancellation={record.cancellation_id}" if record.cancellation_id else "",
    )
