"""`countermand watch`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated, TypedDict

import typer
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from rich.text import Text

from countermand.app.standard_streams import note
from countermand.cli.account import refund_word
from countermand.cli.contact import heard
from countermand.cli.options import Access, JsonOption, calls_server
from countermand.cli.output import STYLES, moment, show, to_json, word
from countermand.client import Client
from countermand.v1.cancellation_service_pb2 import (
    WatchCheckoutResponse,
    WatchOrderResponse,
    WatchTaskResponse,
    WatchTasksResponse,
    WatchType,
)
from countermand.v1.checkout_pb2 import Checkout, CheckoutState
from countermand.v1.order_pb2 import Order, OrderState
from countermand.v1.task_pb2 import CancelProof, ChargeState, Task, TaskFilter, TaskState

Response = WatchTaskResponse | WatchTasksResponse | WatchCheckoutResponse | WatchOrderResponse
Messages = AsyncGenerator[Response]

_HEARTBEAT_INTERVAL = timedelta(seconds=1)
_SILENCE = 2.5
"""Seconds without a heartbeat after which the server is said to be away."""


@calls_server
def watch(
    target_id: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="A task's id, or what the options say.", show_default=False
        ),
    ],
    group: Annotated[
        bool,
        typer.Option(
            "--group",
            help="ID is a group's: follow all of its tasks until all have ended and none may join.",
        ),
    ] = False,
    checkout: Annotated[
        bool, typer.Option("--checkout", help="ID is a checkout's: follow its tasks likewise.")
    ] = False,
    order: Annotated[
        bool,
        typer.Option(
            "--order",
            help="ID is an order's: follow its tasks and those of its checkouts likewise.",
        ),
    ] = False,
    record: Annotated[
        bool,
        typer.Option(
            "--record",
            help="With --checkout or --order: follow that itself, one line for each of its"
            " versions, until it has ended.",
        ),
    ] = False,
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """Follow a task to its end, or all tasks of a group, checkout or order.

    Prints one line for each version, beginning with the present one: the time it was committed,
    the task, and its version, state, proof and deadline; also its charge, and how its refund
    stands, if there is one. With --json it prints one message a line. It outlives a restart of the
    server, and then neither repeats nor skips a version; when nothing is heard of the server for
    some seconds it says so on stderr, and goes on for five minutes.
    """
    if group + checkout + order > 1:
        raise typer.BadParameter("give one of --group, --checkout and --order")
    if record and not (checkout or order):
        raise typer.BadParameter("needs --checkout or --order", param_hint="'--record'")

    def follow(client: Client) -> Messages:
        alive: _Alive = {"heartbeat_interval": _HEARTBEAT_INTERVAL, "heartbeats": True}
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

    async def run() -> None:
        async with (
            access.connect() as client,
            aclosing(heard(follow(client), _SILENCE, note)) as messages,
        ):
            async for message in messages:
                _show(message, as_json)

    asyncio.run(run())


def _show(message: Response, as_json: bool) -> None:
    if message.type == WatchType.WATCH_TYPE_HEARTBEAT and not message.last:
        return
    if as_json:
        show(to_json(message))
    elif isinstance(message, WatchCheckoutResponse):
        show(record_line(message.checkout, CheckoutState, message.checkout.checkout_id))
    elif isinstance(message, WatchOrderResponse):
        show(record_line(message.order, OrderState, message.order.order_id))
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
