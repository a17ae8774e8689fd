"""`countermand list` of checkouts, orders and carts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, cast

import typer

from countermand.cli.account import count_words
from countermand.cli.options import Access, JsonOption, calls_server, enum_parser
from countermand.cli.output import CsvOption, moment, word
from countermand.cli.paging import PAGE_SIZE, every
from countermand.cli.rows import Rows
from countermand.client import Client
from countermand.v1.checkout_pb2 import Cart, CartState, Checkout, CheckoutState
from countermand.v1.order_pb2 import Order, OrderState

_CHECKOUTS = ("checkout", "state", "version", "cart", "created", "tasks")
_ORDERS = ("order", "state", "version", "number", "created", "tasks")
_CARTS = ("cart", "state", "version", "checkout")


@calls_server
def checkouts(
    state: Annotated[
        int | None,
        typer.Option(
            parser=enum_parser(CheckoutState),
            metavar="STATE",
            help="Only those in this state: OPEN, CANCELLING, CANCELLED, PARTIALLY_CANCELLED or"
            " COMPLETED.",
        ),
    ] = None,
    cart: Annotated[str, typer.Option(metavar="ID", help="Only those on this cart.")] = "",
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    *,
    access: Access,
) -> None:
    """List checkouts, newest first; all pages.

    With --json it prints one checkout a line, whole.

    Examples:

    - `countermand list checkouts --state CANCELLING`

    - `countermand list checkouts --cart cart-7 --json`
    """

    def read(client: Client, token: str) -> Awaitable[Any]:
        chosen = cast("CheckoutState | None", state)
        return client.list_checkouts(
            state=chosen, cart_id=cart, page_size=PAGE_SIZE, page_token=token
        )

    def row(one: Checkout) -> tuple[str, ...]:
        return (
            one.checkout_id,
            word(CheckoutState, one.state),
            str(one.version),
            one.cart_id,
            moment(one.create_time),
            count_words(one.task_counts),
        )

    _list(access, read, "checkouts", _CHECKOUTS, row, as_json=as_json, as_csv=as_csv)


@calls_server
def orders(
    state: Annotated[
        int | None,
        typer.Option(
            parser=enum_parser(OrderState),
            metavar="STATE",
            help="Only those in this state: OPEN, CANCELLING, CANCELLED, PARTIALLY_CANCELLED or"
            " CLOSED.",
        ),
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    *,
    access: Access,
) -> None:
    """List orders, newest first; all pages.

    With --json it prints one order a line, whole.

    Examples:

    - `countermand list orders --state CANCELLING`

    - `countermand list orders --csv`
    """

    def read(client: Client, token: str) -> Awaitable[Any]:
        chosen = cast("OrderState | None", state)
        return client.list_orders(state=chosen, page_size=PAGE_SIZE, page_token=token)

    def row(one: Order) -> tuple[str, ...]:
        return (
            one.order_id,
            word(OrderState, one.state),
            str(one.version),
            one.number,
            moment(one.create_time),
            count_words(one.task_counts),
        )

    _list(access, read, "orders", _ORDERS, row, as_json=as_json, as_csv=as_csv)


@calls_server
def carts(
    state: Annotated[
        int | None,
        typer.Option(
            parser=enum_parser(CartState),
            metavar="STATE",
            help="Only those in this state: ACTIVE, LOCKED or CLOSED.",
        ),
    ] = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    *,
    access: Access,
) -> None:
    """List carts, newest first; all pages.

    With --json it prints one cart a line, whole.

    Examples:

    - `countermand list carts --state LOCKED`

    - `countermand list carts --json`
    """

    def read(client: Client, token: str) -> Awaitable[Any]:
        chosen = cast("CartState | None", state)
        return client.list_carts(state=chosen, page_size=PAGE_SIZE, page_token=token)

    def row(one: Cart) -> tuple[str, ...]:
        return (one.cart_id, word(CartState, one.state), str(one.version), one.checkout_id)

    _list(access, read, "carts", _CARTS, row, as_json=as_json, as_csv=as_csv)


def _list(
    access: Access,
    read: Callable[[Client, str], Awaitable[Any]],
    name: str,
    columns: Sequence[str],
    row: Callable[[Any], tuple[str, ...]],
    *,
    as_json: bool,
    as_csv: bool,
) -> None:
    async def run() -> None:
        rows = Rows(columns, as_json=as_json, as_csv=as_csv)
        async with access.connect() as client:
            async for one in every(lambda token: read(client, token), name):
                rows.add(one, row(one))
        rows.end()

    asyncio.run(run())
