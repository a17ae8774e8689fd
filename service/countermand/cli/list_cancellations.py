"""`countermand list cancellations`."""

import asyncio
from functools import partial
from typing import Annotated, cast

import typer

from countermand.cli.options import Access, JsonOption, calls_server, enum_parser
from countermand.cli.output import CsvOption, moment, word
from countermand.cli.paging import PAGE_SIZE, every
from countermand.cli.rows import Rows
from countermand.cli.summary import SinceOption, start_of
from countermand.v1.cancellation_pb2 import Cancellation, CancellationState

_COLUMNS = ("cancellation", "state", "reason", "target", "requested by", "accepted", "ended")


@calls_server
def cancellations(
    state: Annotated[
        int | None,
        typer.Option(
            parser=enum_parser(CancellationState),
            metavar="STATE",
            help="Only those in this state: IN_PROGRESS, SUCCEEDED, PARTIAL or TOO_LATE.",
        ),
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Only those with this reason.")] = "",
    since: SinceOption = None,
    task: Annotated[
        str | None, typer.Option(metavar="ID", help="Only those that cover this task.")
    ] = None,
    group: Annotated[
        str | None, typer.Option(metavar="ID", help="Only those of this group.")
    ] = None,
    checkout: Annotated[
        str | None, typer.Option(metavar="ID", help="Only those of this checkout.")
    ] = None,
    order: Annotated[
        str | None, typer.Option(metavar="ID", help="Only those of this order.")
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    *,
    access: Access,
) -> None:
    """List cancellations, newest first; all pages.

    With --json it prints one cancellation a line, without results.

    Examples:

    - `countermand list cancellations --order 63-1`

    - `countermand list cancellations --reason fraud --since 1h --csv`
    """

    async def run() -> None:
        rows = Rows(_COLUMNS, as_json=as_json, as_csv=as_csv)
        async with access.connect() as client:
            read = partial(
                client.list_cancellations,
                task_id=task,
                group_id=group,
                checkout_id=checkout,
                order_id=order,
                reason=reason,
                state=cast("CancellationState | None", state),
                start_time=start_of(since),
                page_size=PAGE_SIZE,
            )
            async for found in every(lambda token: read(page_token=token), "cancellations"):
                rows.add(found, _cells(found))
        rows.end()

    asyncio.run(run())


def _cells(found: Cancellation) -> tuple[str, ...]:
    target = found.WhichOneof("target") or ""
    return (
        found.cancellation_id,
        word(CancellationState, found.state),
        found.reason,
        f"{target.removesuffix('_id')} {getattr(found, target, '')}",
        found.on_behalf_of or found.requested_by,
        moment(found.create_time),
        moment(found.end_time),
    )
