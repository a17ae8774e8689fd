"""`countermand cancel`."""

import asyncio
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer
from rich.text import Text

from countermand.cli.options import (
    SERVER,
    ApiKeyOption,
    JsonOption,
    ServerOption,
    connect,
    parse_span,
)
from countermand.cli.output import NONE, STYLES, moment, show, show_facts, to_json, word
from countermand.client import Client
from countermand.v1.cancellation_pb2 import Cancellation, CancellationState, Disposition
from countermand.v1.cancellation_service_pb2 import CancelGroupResponse, CancelTaskResponse
from countermand.v1.task_pb2 import CancelProof, Group, Task, TaskState


class Target(StrEnum):
    """What can be cancelled."""

    TASK = "task"
    GROUP = "group"


def cancel(
    target: Annotated[Target, typer.Argument(help="What to cancel.", show_default=False)],
    target_id: Annotated[str, typer.Argument(metavar="ID", help="Its id.", show_default=False)],
    reason: Annotated[
        str,
        typer.Option(
            help="Why: any text of at most 128 characters. Well-known: customer_requested,"
            " cart_changed, duplicate_order, fraud, compliance, timeout, inventory_unavailable,"
            " superseded, integrator_abort."
        ),
    ] = "",
    message: Annotated[
        str, typer.Option(help="What people should read, at most 500 characters.")
    ] = "",
    grace: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_span,
            metavar="SPAN",
            help="How long the agents may take to wind down before their tasks are ended by"
            " force: 0 to 1h.  [default: 30s]",
        ),
    ] = None,
    request_id: Annotated[
        str | None,
        typer.Option(
            metavar="UUID",
            help="Makes it safe to repeat this command: the same id with the same request is"
            " answered again, and not done again.  [default: a new one]",
        ),
    ] = None,
    validate_only: Annotated[
        bool, typer.Option("--validate-only", help="Run every check, and change nothing.")
    ] = False,
    on_behalf_of: Annotated[
        str, typer.Option(metavar="WHO", help="Whom you act for, at most 256 characters.")
    ] = "",
    expected_version: Annotated[
        int | None,
        typer.Option(metavar="N", help="Cancel only if the target is at this version."),
    ] = None,
    as_json: JsonOption = False,
    server: ServerOption = SERVER,
    api_key: ApiKeyOption = "",
) -> None:
    """Cancel a task, or all tasks of a group.

    When this returns, the cancel is accepted and on disk. A task that was running is CANCELLING
    until it is proven to have stopped: follow it with `countermand watch`.
    """

    async def call(client: Client) -> CancelTaskResponse | CancelGroupResponse:
        method = client.cancel_task if target is Target.TASK else client.cancel_group
        return await method(
            target_id,
            reason=reason,
            message=message,
            grace_period=grace,
            request_id=request_id,
            validate_only=validate_only,
            on_behalf_of=on_behalf_of,
            expected_version=expected_version,
        )

    async def run() -> CancelTaskResponse | CancelGroupResponse:
        async with connect(server, api_key) as client:
            return await call(client)

    answer = asyncio.run(run())
    if as_json:
        show(to_json(answer, indent=2))
        return
    about = (
        _about_task(answer.task)
        if isinstance(answer, CancelTaskResponse)
        else (_about_group(answer.group))
    )
    replayed = "yes" if answer.replayed else "no"
    show_facts([*about, *_about_cancellation(answer.cancellation), ("replayed", replayed)])
    for result in answer.cancellation.results:
        state = word(TaskState, result.task_state)
        show(
            Text.assemble(
                f"result  {result.task_id}  {word(Disposition, result.disposition):<8}  ",
                (f"{state:<10}", STYLES.get(state, "")),
                f"  {word(CancelProof, result.cancel_proof)}",
            )
        )


def _about_task(task: Task) -> list[tuple[str, str]]:
    return [
        ("task", task.task_id),
        ("state", word(TaskState, task.state)),
        ("version", str(task.version)),
        ("proof", word(CancelProof, task.cancel_proof)),
        ("deadline", moment(task.deadline_time)),
    ]


def _about_group(group: Group) -> list[tuple[str, str]]:
    counts = (f"{count.count} {word(TaskState, count.state)}" for count in group.task_counts)
    return [
        ("group", group.group_id),
        ("version", str(group.version)),
        ("tasks", ", ".join(counts)),
    ]


def _about_cancellation(found: Cancellation) -> list[tuple[str, str]]:
    return [
        ("cancellation", found.cancellation_id or NONE),
        ("cancellation state", word(CancellationState, found.state)),
        ("reason", found.reason),
        ("message", found.message),
        ("ends by", moment(found.deadline_time)),
        ("trace", found.trace_id),
    ]
