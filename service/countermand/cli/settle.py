"""`countermand settle`."""

import asyncio
from typing import Annotated

import typer

from countermand.cli.account import about_task
from countermand.cli.options import Access, JsonOption, calls_server
from countermand.cli.output import after, show, show_facts, to_json, yes_or_no
from countermand.cli.usage import parse_number
from countermand.v1.task_pb2 import RefundState
from countermand.v1.task_service_pb2 import SettleRefundResponse


@calls_server
def settle(
    task_id: Annotated[
        str, typer.Argument(metavar="TASK", help="The task's id.", show_default=False)
    ],
    refunded: Annotated[bool, typer.Option("--refunded", help="The money went back.")] = False,
    not_owed: Annotated[bool, typer.Option("--not-owed", help="No money is owed.")] = False,
    amount: Annotated[
        int | None,
        typer.Option(
            parser=parse_number, metavar="N", help="How much, in minor units of the currency."
        ),
    ] = None,
    currency: Annotated[
        str, typer.Option(metavar="CODE", help="The currency of the amount, such as EUR.")
    ] = "",
    note: Annotated[
        str, typer.Option(metavar="TEXT", help="What to remember, at most 500 characters.")
    ] = "",
    request_id: Annotated[
        str | None,
        typer.Option(
            metavar="UUID",
            help="Makes it safe to repeat this command: the same id with the same request is"
            " answered again, and not done again.  [default: a new one]",
        ),
    ] = None,
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """Write down what became of a task's refund.

    A refund is REQUIRED until it is settled, and it is settled once. Countermand moves no money:
    give it back where it was taken, and say so here. Who is owed money is listed by
    `countermand list tasks --refund-state REQUIRED`.

    Examples:

    - `countermand settle TASK --refunded --amount 1999 --currency EUR`

    - `countermand settle TASK --not-owed --note "never charged"`
    """
    if refunded == not_owed:
        raise typer.BadParameter("give one of --refunded and --not-owed")
    outcome = RefundState.REFUND_STATE_REFUNDED if refunded else RefundState.REFUND_STATE_NOT_OWED

    async def run() -> SettleRefundResponse:
        async with access.connect() as client:
            return await client.settle_refund(
                task_id,
                outcome,
                amount=amount,
                currency=currency,
                note=note,
                request_id=request_id,
            )

    answer = asyncio.run(run())
    with after("the refund was settled"):
        if as_json:
            show(to_json(answer, indent=2))
        else:
            show_facts([*about_task(answer.task), ("replayed", yes_or_no(answer.replayed))])
