"""`countermand summary`."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Annotated, cast

import typer

from countermand.cli.options import Access, JsonOption, calls_server, enum_parser, parse_span
from countermand.cli.output import CsvOption, show, show_columns, show_csv, to_json
from countermand.v1.cancellation_service_pb2 import SummaryKey

SinceOption = Annotated[
    timedelta | None,
    typer.Option(
        parser=parse_span,
        metavar="SPAN",
        help="Only the last 30m, 1h, 7d …  [default: all that is kept]",
        show_default=False,
    ),
]


def start_of(since: timedelta | None) -> datetime | None:
    """Returns when a span before now began."""
    return None if since is None else datetime.now(UTC) - since


@calls_server
def summary(
    by: Annotated[
        int,
        typer.Option(
            "--by",
            parser=enum_parser(SummaryKey),
            metavar="KEY",
            help="What to count by: REASON, STATE, PROOF or REFUND.",
            show_default=False,
        ),
    ],
    since: SinceOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    *,
    access: Access,
) -> None:
    """Count cancellations by reason or state, or tasks by proof or refund; most counted first.

    Only what is in the span is counted.

    Examples:

    - `countermand summary --by reason --since 1h`

    - `countermand summary --by proof --csv`
    """

    async def run() -> None:
        async with access.connect() as client:
            answer = await client.summarize_cancellations(
                cast("SummaryKey", by), start_time=start_of(since)
            )
        if as_json:
            show(to_json(answer))
            return
        rows = [{"key": row.key, "count": str(row.count)} for row in answer.rows]
        if as_csv:
            show_csv(["key", "count"], rows)
        else:
            show_columns(rows)

    asyncio.run(run())
