"""`countermand list`."""

import asyncio
from functools import partial
from typing import Annotated, cast

import typer
from rich.text import Text

from countermand.cli.options import Access, JsonOption, calls_server, enum_parser
from countermand.cli.output import STYLES, moment, show, to_json, word
from countermand.cli.paging import PAGE_SIZE, every
from countermand.cli.usage import PlainCommand, PlainGroup
from countermand.v1.task_pb2 import ChargeState, RefundState, Task, TaskFilter, TaskState

app = typer.Typer(
    cls=PlainGroup, help="List what there is, newest first; all pages.", no_args_is_help=True
)


def parse_label(text: str) -> tuple[str, str]:
    """Reads `KEY=VALUE`. Wrong usage otherwise."""
    key, sign, value = text.partition("=")
    if not key or not sign:
        raise typer.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="'--label'")
    return key, value


def parse_sort(text: str) -> str:
    """Reads by what to sort. Wrong usage for what is unknown."""
    if text not in ("", "deadline"):
        raise typer.BadParameter(f"{text!r} is not deadline", param_hint="'--sort'")
    return text and "deadline_time"


@app.command("tasks", cls=PlainCommand)
@calls_server
def tasks(
    state: Annotated[
        list[int] | None,
        typer.Option(
            parser=enum_parser(TaskState),
            metavar="STATE",
            help="Only tasks in this state; give it once for each.",
        ),
    ] = None,
    refund_state: Annotated[
        int | None,
        typer.Option(
            parser=enum_parser(RefundState),
            metavar="STATE",
            help="Only tasks whose refund stands like this: NONE, REQUIRED, REFUNDED or NOT_OWED.",
        ),
    ] = None,
    group: Annotated[str, typer.Option(metavar="ID", help="Only tasks of this group.")] = "",
    checkout: Annotated[str, typer.Option(metavar="ID", help="Only tasks of this checkout.")] = "",
    order: Annotated[
        str, typer.Option(metavar="ID", help="Only tasks of this order and of its checkouts.")
    ] = "",
    agent: Annotated[str, typer.Option(metavar="ID", help="Only tasks that this agent ran.")] = "",
    merchant: Annotated[
        str, typer.Option(metavar="NAME", help="Only tasks with exactly this merchant.")
    ] = "",
    label: Annotated[
        str, typer.Option(metavar="KEY=VALUE", help="Only tasks with exactly this label.")
    ] = "",
    sort: Annotated[
        str,
        typer.Option(metavar="deadline", help="Only CANCELLING tasks, nearest deadline first."),
    ] = "",
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """List tasks: id, state, version, charge, refund, end and merchant of each; of one that is
    CANCELLING its deadline in the place of its end.

    With --json it prints one task a line. Who is owed money: `--refund-state REQUIRED`.
    """
    chosen = TaskFilter(group_id=group, checkout_id=checkout, order_id=order, agent_id=agent)

    async def run() -> None:
        first = True
        async with access.connect() as client:
            read = partial(
                client.list_tasks,
                chosen,
                states=cast("list[TaskState]", state or []),
                refund_state=cast("RefundState | None", refund_state),
                merchant=merchant,
                label=parse_label(label) if label else None,
                order_by=parse_sort(sort),
                page_size=PAGE_SIZE,
            )
            async for task in every(lambda token: read(page_token=token), "tasks"):
                if first and not as_json:
                    show(_HEADER)
                first = False
                show(to_json(task) if as_json else _line(task))

    asyncio.run(run())


_WIDTHS = (36, 10, 7, 8, 8, 24)
_TITLES = ("TASK", "STATE", "VERSION", "CHARGE", "REFUND", "END")
_HEADER = Text(
    "  ".join([*map(str.ljust, _TITLES, _WIDTHS), "MERCHANT"]),
    "dim",
)


def _line(task: Task) -> Text:
    cells = (
        task.task_id,
        word(TaskState, task.state),
        str(task.version),
        word(ChargeState, task.charge_state),
        word(RefundState, task.refund_state),
        moment(task.end_time if task.HasField("end_time") else task.deadline_time),
    )
    columns = [
        Text(cell.ljust(width), STYLES.get(cell, ""))
        for cell, width in zip(cells, _WIDTHS, strict=True)
    ]
    line = Text("  ").join([*columns, Text(task.merchant)])
    line.rstrip()
    return line
