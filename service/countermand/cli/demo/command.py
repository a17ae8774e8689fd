"""The command, against a running server or one of its own."""

import asyncio
import signal
from typing import Annotated

import typer

from countermand.cli.demo.board import Board
from countermand.cli.demo.play import play
from countermand.cli.demo.sales import CheckoutSale, GroupSale
from countermand.cli.demo.server import own_server
from countermand.cli.options import Access, calls_server


@calls_server
def demo(
    checkout: Annotated[
        bool,
        typer.Option(
            "--checkout",
            help="Let the three tasks be those of a checkout that locks a cart, and cancel the"
            " checkout. Needs a key with tasks:read, tasks:run, checkouts:read and"
            " checkouts:write.",
        ),
    ] = False,
    self_contained: Annotated[
        bool,
        typer.Option(
            "--self-contained",
            help="Start a server for it, on a free port and a store in a temporary folder, and"
            " remove both afterwards.",
        ),
    ] = False,
    *,
    access: Access,
) -> None:
    """Play a checkout at three merchants, and cancel it.

    Three agents of its own buy; one CancelGroup, or CancelCheckout with --checkout, stops them:
    one agent winds down fast, one slowly, and one does not listen and is ended at its deadline.
    Takes about ten seconds. Needs a key with tasks:read, tasks:write, tasks:run and tasks:cancel.

    Examples:

    - `countermand demo --self-contained`

    - `countermand demo --checkout`
    """
    playing = _with_own_server(checkout) if self_contained else _against(access, checkout)
    asyncio.run(playing)


async def _against(access: Access, checkout: bool) -> None:
    async with access.connect() as client:
        await play(client, CheckoutSale(client) if checkout else GroupSale(client), Board())


async def _with_own_server(checkout: bool) -> None:
    task = asyncio.current_task()
    assert task is not None
    # The server would outlive a demo that is just ended; this way the demo takes it along.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with own_server() as (server, api_key):
        await _against(Access(server, api_key), checkout)
