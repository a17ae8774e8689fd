"""`countermand list` and `countermand list tasks`."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any, cast

import typer

from countermand.cli.options import Access, JsonOption, calls_server, enum_parser
from countermand.cli.output import CsvOption, moment, show_columns, show_csv, word
from countermand.cli.paging import PAGE_SIZE, every
from countermand.cli.rows import Rows
from countermand.cli.tenants import AllOption, EnvironmentOption, TenantOption, if_operator
from countermand.cli.usage import PlainCommand, PlainGroup
from countermand.v1.operator_service_pb2 import OperatorTask
from countermand.v1.task_pb2 import ChargeState, RefundState, Task, TaskFilter, TaskState

app = typer.Typer(
    cls=PlainGroup, help="List what there is, newest first; all pages.", no_args_is_help=True
)

_FIRST, _REST = ("task", "state"), ("version", "charge", "refund", "end", "merchant")
_COLUMNS = (*_FIRST, *_REST)
_COLUMNS_OF_TENANTS = (*_FIRST, "tenant", "environment", *_REST)


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
            help="Only in this state; may be repeated.",
        ),
    ] = None,
    refund_state: Annotated[
        int | None,
        typer.Option(
            parser=enum_parser(RefundState),
            metavar="STATE",
            help="How the refund stands: REQUIRED, …",
        ),
    ] = None,
    group: Annotated[str, typer.Option(metavar="ID", help="Only of this group.")] = "",
    checkout: Annotated[str, typer.Option(metavar="ID", help="Only of this checkout.")] = "",
    order: Annotated[
        str, typer.Option(metavar="ID", help="Only of this order, checkouts too.")
    ] = "",
    agent: Annotated[str, typer.Option(metavar="ID", help="Only what this agent ran.")] = "",
    merchant: Annotated[
        str, typer.Option(metavar="NAME", help="Only of exactly this merchant.")
    ] = "",
    label: Annotated[
        str, typer.Option(metavar="KEY=VALUE", help="Only with exactly this label.")
    ] = "",
    sort: Annotated[
        str, typer.Option(metavar="deadline", help="CANCELLING ones, nearest first.")
    ] = "",
    count: Annotated[
        bool, typer.Option("--count", help="Print how many are in each state.")
    ] = False,
    all_tenants: AllOption = False,
    tenant: TenantOption = "",
    environment: EnvironmentOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    *,
    access: Access,
) -> None:
    """List tasks, newest first; of one that is CANCELLING its deadline in the place of its end.

    With --json it prints one task a line.

    Examples:

    - `countermand list tasks --refund-state REQUIRED`

    - `countermand list tasks --all --sort deadline`
    """
    chosen: dict[str, Any] = {
        "filter": TaskFilter(group_id=group, checkout_id=checkout, order_id=order, agent_id=agent),
        "states": cast("list[TaskState]", state or []),
        "refund_state": cast("RefundState | None", refund_state),
        "merchant": merchant,
        "label": parse_label(label) if label else None,
        "order_by": parse_sort(sort),
        "page_size": PAGE_SIZE,
    }
    of_tenants = bool(tenant or environment)

    async def run() -> None:
        async with access.connect() as client:
            first = None
            if all_tenants or of_tenants:
                read = partial(
                    client.list_tasks_of_tenants,
                    tenant=tenant,
                    environment=environment or "",
                    **chosen,
                )
                first = await if_operator(read, required=of_tenants)
            if first is None:
                found = every(lambda token: client.list_tasks(**chosen, page_token=token), "tasks")
            else:
                found = every(lambda token: read(page_token=token), "tasks", first)
            if count:
                await _count(found, as_csv=as_csv)
                return
            names = _COLUMNS if first is None else _COLUMNS_OF_TENANTS
            rows = Rows(names, as_json=as_json, as_csv=as_csv)
            async for task in found:
                rows.add(task, _cells(task))
            rows.end()

    asyncio.run(run())


async def _count(found: AsyncIterator[Task | OperatorTask], *, as_csv: bool) -> None:
    counts: Counter[str] = Counter()
    async for one in found:
        task = one.task if isinstance(one, OperatorTask) else one
        counts[word(TaskState, task.state)] += 1
    rows = [
        {"state": name, "count": str(counts[name])}
        for number in TaskState.values()
        if counts[name := word(TaskState, number)]
    ]
    if as_csv:
        show_csv(["state", "count"], rows)
    else:
        show_columns(rows)


def _cells(found: Task | OperatorTask) -> tuple[str, ...]:
    task = found.task if isinstance(found, OperatorTask) else found
    cells = (
        task.task_id,
        word(TaskState, task.state),
        str(task.version),
        word(ChargeState, task.charge_state),
        word(RefundState, task.refund_state),
        moment(task.end_time if task.HasField("end_time") else task.deadline_time),
        task.merchant,
    )
    if isinstance(found, OperatorTask):
        return (*cells[:2], found.tenant, found.environment, *cells[2:])
    return cells
