"""`countermand watch`."""

import asyncio
from contextlib import aclosing
from typing import Annotated

import typer
from rich.text import Text

from countermand.cli.options import SERVER, ApiKeyOption, JsonOption, ServerOption, connect
from countermand.cli.output import STYLES, moment, show, to_json, word
from countermand.v1.task_pb2 import CancelProof, Task, TaskState


def watch(
    target_id: Annotated[
        str, typer.Argument(metavar="ID", help="The task's id.", show_default=False)
    ],
    group: Annotated[
        bool,
        typer.Option(
            "--group",
            help="ID is a group's: follow all of its tasks until all have"
            " ended and the group is closed.",
        ),
    ] = False,
    as_json: JsonOption = False,
    server: ServerOption = SERVER,
    api_key: ApiKeyOption = "",
) -> None:
    """Follow a task to its end, or a group.

    Prints one line for each version, beginning with the present one: the time it was committed,
    the task, and its version, state, proof and deadline. With --json it prints one message a
    line. It outlives a restart of the server, and then neither repeats nor skips a version.
    """

    async def run() -> None:
        async with (
            connect(server, api_key) as client,
            aclosing(
                client.watch_group(target_id) if group else client.watch_task(target_id)
            ) as messages,
        ):
            async for message in messages:
                if as_json:
                    show(to_json(message))
                elif message.HasField("task"):
                    show(line(message.task))

    asyncio.run(run())


def line(task: Task) -> Text:
    """One version of a task in one line, which is easy to search."""
    state = word(TaskState, task.state)
    return Text.assemble(
        f"{moment(task.update_time)}  {task.task_id}  version={task.version}  state=",
        (state, STYLES.get(state, "")),
        f"  proof={word(CancelProof, task.cancel_proof)}  deadline={moment(task.deadline_time)}",
    )
