"""`countermand watch`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import typer
from rich.text import Text

from countermand.cli.options import Access, JsonOption, calls_server
from countermand.cli.output import STYLES, moment, show, to_json, word
from countermand.client import Client
from countermand.v1.cancellation_service_pb2 import WatchTaskResponse, WatchTasksResponse
from countermand.v1.task_pb2 import CancelProof, ChargeState, Task, TaskState

Messages = AsyncGenerator[WatchTaskResponse] | AsyncGenerator[WatchTasksResponse]


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
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """Follow a task to its end, or all tasks of a group, checkout or order.

    Prints one line for each version, beginning with the present one: the time it was committed,
    the task, and its version, state, proof and deadline; also its charge and whether a refund is
    required, if so. With --json it prints one message a line. It outlives a restart of the
    server, and then neither repeats nor skips a version.
    """
    if group + checkout + order > 1:
        raise typer.BadParameter("give one of --group, --checkout and --order")

    def follow(client: Client) -> Messages:
        if group:
            return client.watch_group(target_id)
        if checkout:
            return client.watch_checkout(target_id)
        if order:
            return client.watch_order(target_id)
        return client.watch_task(target_id)

    async def run() -> None:
        async with access.connect() as client, aclosing(follow(client)) as messages:
            async for message in messages:
                if as_json:
                    show(to_json(message))
                elif message.HasField("task"):
                    show(line(message.task))

    asyncio.run(run())


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
        ("  refund_required=true", "bold") if task.refund_required else "",
    )
