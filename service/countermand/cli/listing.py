"""`countermand list`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, cast

import typer
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from rich.text import Text

from countermand.cli.options import Access, JsonOption, calls_server
from countermand.cli.output import STYLES, moment, show, to_json, word
from countermand.cli.usage import PlainCommand, PlainGroup
from countermand.client import Client
from countermand.v1.task_pb2 import ChargeState, RefundState, Task, TaskFilter, TaskState

app = typer.Typer(
    cls=PlainGroup, help="List what there is, newest first; all pages.", no_args_is_help=True
)

_PAGE_SIZE = 1000


def _one_of(enum: EnumTypeWrapper) -> Callable[[str], int]:
    """Returns a parser of the API's words for an enum, in any case. Wrong usage otherwise."""
    prefix = enum.Name(0).removesuffix("UNSPECIFIED")
    words = {name.removeprefix(prefix): number for name, number in enum.items() if number}

    def parse(text: str) -> int:
        found = words.get(text.upper().replace("-", "_"))
        if found is None:
            raise typer.BadParameter(f"{text!r} is none of {', '.join(words)}")
        return found

    return parse


@app.command("tasks", cls=PlainCommand)
@calls_server
def tasks(
    state: Annotated[
        list[int] | None,
        typer.Option(
            parser=_one_of(TaskState),
            metavar="STATE",
            help="Only tasks in this state; give it once for each.",
        ),
    ] = None,
    refund_state: Annotated[
        int | None,
        typer.Option(
            parser=_one_of(RefundState),
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
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """List tasks: id, state, version, charge, refund, end and merchant of each.

    With --json it prints one task a line. Who is owed money: `--refund-state REQUIRED`.
    """
    chosen = TaskFilter(group_id=group, checkout_id=checkout, order_id=order, agent_id=agent)

    async def follow(client: Client) -> AsyncIterator[Task]:
        token = ""
        while True:
            page = await client.list_tasks(
                chosen,
                states=cast("list[TaskState]", state or []),
                refund_state=cast("RefundState | None", refund_state),
                page_size=_PAGE_SIZE,
                page_token=token,
            )
            for task in page.tasks:
                yield task
            token = page.next_page_token
            if not token:
                return

    async def run() -> None:
        first = True
        async with access.connect() as client:
            async for task in follow(client):
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
        moment(task.end_time),
    )
    columns = [
        Text(cell.ljust(width), STYLES.get(cell, ""))
        for cell, width in zip(cells, _WIDTHS, strict=True)
    ]
    line = Text("  ").join([*columns, Text(task.merchant)])
    line.rstrip()
    return line
