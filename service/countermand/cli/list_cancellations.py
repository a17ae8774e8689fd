"""`countermand list cancellations`."""

import asyncio
from functools import partial
from typing import Annotated, cast

import typer

from countermand.cli.options import Access, JsonOption, calls_server, enum_parser
from countermand.cli.output import CsvOption, moment, show, show_columns, show_csv, to_json, word
from countermand.cli.paging import PAGE_SIZE, every
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

    With --json it prints one cancellation a line, without results. Who cancelled order 63-1, and
    why: `list cancellations --order 63-1`.
    """

    async def run() -> None:
        rows = []
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
                if as_json:
                    show(to_json(found))
                else:
                    rows.append(_row(found))
        if as_csv:
            show_csv(_COLUMNS, rows)
        elif rows:
            show_columns(rows)

    asyncio.run(run())


def _row(found: Cancellation) -> dict[str, str]:
    target = found.WhichOneof("target") or ""
    cells = (
        found.cancellation_id,
        word(CancellationState, found.state),
        found.reason or "-",
        f"{target.removesuffix('_id')} {getattr(found, target, '')}",
        found.on_behalf_of or found.requested_by,
        moment(found.create_time),
        moment(found.end_time),
    )
    return dict(zip(_COLUMNS, cells, strict=True))
