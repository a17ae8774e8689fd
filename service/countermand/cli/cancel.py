"""`countermand cancel`."""

import asyncio
from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from countermand.cli.account import Answer, account
from countermand.cli.options import Access, JsonOption, calls_server, parse_span
from countermand.cli.output import after, show, show_facts, to_json
from countermand.cli.usage import one_of, parse_number
from countermand.client import Client
from countermand.client.cancellations import CancelOptions


class Target(StrEnum):
    """What can be cancelled."""

    TASK = "task"
    GROUP = "group"
    CHECKOUT = "checkout"
    ORDER = "order"


@calls_server
def cancel(
    target: Annotated[
        Target,
        typer.Argument(
            parser=one_of(Target),
            metavar="TARGET",
            help="What to cancel.",
            show_default=False,
        ),
    ],
    target_id: Annotated[str, typer.Argument(metavar="ID", help="Its id.", show_default=False)],
    cart: Annotated[
        bool,
        typer.Option("--cart", help="ID is the cart's that it locks."),
    ] = False,
    allow_missing: Annotated[
        bool,
        typer.Option(
            "--allow-missing",
            help="The task may come within 24 h.",
        ),
    ] = False,
    reason: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            help="Why, such as customer_requested, fraud.",
        ),
    ] = "",
    message: Annotated[
        str,
        typer.Option(metavar="TEXT", help="What people should read."),
    ] = "",
    grace: Annotated[
        timedelta | None,
        typer.Option(
            parser=parse_span,
            metavar="SPAN",
            help="Time to wind down, 0 to 1h: 30s.",
        ),
    ] = None,
    request_id: Annotated[
        str | None,
        typer.Option(
            metavar="UUID",
            help="Makes repeating it safe; else a new one.",
        ),
    ] = None,
    validate_only: Annotated[
        bool, typer.Option("--validate-only", help="Run every check; change nothing.")
    ] = False,
    on_behalf_of: Annotated[str, typer.Option(metavar="WHO", help="Whom you act for.")] = "",
    expected_version: Annotated[
        int | None,
        typer.Option(
            parser=parse_number,
            metavar="N",
            help="Only if it is at this version.",
        ),
    ] = None,
    as_json: JsonOption = False,
    *,
    access: Access,
) -> None:
    """Cancel a task, or all tasks of a group, checkout or order.

    When this returns, the cancel is on disk. A running task is CANCELLING until it is proven to
    have stopped: follow it with `countermand watch`. Nothing is refunded; the result says where a
    refund is required.

    Examples:

    - `countermand cancel order 63-1 --reason fraud`

    - `countermand cancel task ID --grace 0`
    """
    if cart and target is not Target.CHECKOUT:
        raise typer.BadParameter("only a checkout is named by a cart", param_hint="'--cart'")
    if allow_missing and target is not Target.TASK:
        raise typer.BadParameter("only a task may be missing", param_hint="'--allow-missing'")
    options = CancelOptions(
        reason=reason,
        message=message,
        grace_period=grace,
        request_id=request_id,
        validate_only=validate_only,
        on_behalf_of=on_behalf_of,
        expected_version=expected_version,
    )

    async def call(client: Client) -> Answer:
        match target:
            case Target.TASK:
                return await client.cancel_task(target_id, allow_missing=allow_missing, **options)
            case Target.GROUP:
                return await client.cancel_group(target_id, **options)
            case Target.CHECKOUT if cart:
                return await client.cancel_checkout(cart_id=target_id, **options)
            case Target.CHECKOUT:
                return await client.cancel_checkout(target_id, **options)
            case Target.ORDER:
                return await client.cancel_order(target_id, **options)

    async def run() -> Answer:
        async with access.connect() as client:
            return await call(client)

    answer = asyncio.run(run())
    with after("the cancel was accepted"):
        _show(answer, as_json)


def _show(answer: Answer, as_json: bool) -> None:
    if as_json:
        show(to_json(answer, indent=2))
        return
    facts, results = account(answer)
    show_facts(facts)
    for line in results:
        show(line)
