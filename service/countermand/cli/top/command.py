"""The command: the terminal, its keys, and what is asked of the server meanwhile."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from datetime import UTC, datetime, timedelta

from rich.console import Console, Group
from rich.live import Live

from countermand.cli.contact import heard
from countermand.cli.failures import WRONG_USAGE, Failure
from countermand.cli.options import Access, calls_server
from countermand.cli.paging import PAGE_SIZE
from countermand.cli.top.keys import press
from countermand.cli.top.screen import Size, View, screen
from countermand.cli.top.state import Seen, key_of
from countermand.client import Client, CountermandError
from countermand.v1.task_pb2 import RefundState

_HEARTBEAT_INTERVAL = timedelta(seconds=1)
_SILENCE = 2.5
_REFRESH_INTERVAL = 0.5
_STATUS_INTERVAL = 2.0
_REFUNDS_INTERVAL = 30.0


@calls_server
def top(*, access: Access) -> None:
    """Show live what is being cancelled: cancels a second, what is CANCELLING with its deadline
    running down, forced ends, lost agents, open watches, and refunds owed.

    Arrow keys choose a task, enter opens it, / filters, q quits. Needs a terminal, and a key with
    operator:read. It changes nothing.

    Examples:

    - `countermand top`

    - `NO_COLOR=1 countermand top --server 10.0.0.7:50051`
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failure("top needs a terminal; `countermand status` needs none", WRONG_USAGE)
    asyncio.run(Top(access).run())


class Top:
    """One screen, until it is left."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._seen = Seen()
        self._view = View()
        self._left = asyncio.Event()

    async def run(self) -> None:
        """Shows the screen until the reader leaves. Raises CountermandError, as of a key that may
        not see it."""
        console = Console(highlight=False, markup=False, emoji=False)
        async with self._access.connect() as client:
            self._seen.status = (await client.get_server_status()).status
            with (
                _keys_at_once(self._press),
                Live(console=console, screen=True, auto_refresh=False) as live,
            ):
                async with asyncio.TaskGroup() as group:
                    parts = [
                        group.create_task(part)
                        for part in (
                            self._watch(client),
                            self._ask_for_status(client),
                            self._ask_for_refunds(client),
                            self._draw(live, console),
                        )
                    ]
                    await self._left.wait()
                    for part in parts:
                        part.cancel()

    def _press(self) -> None:
        """Takes what was typed."""
        typed = os.read(sys.stdin.fileno(), 64).decode(errors="replace")
        found = press(typed, self._view, self._seen.stopping(self._view.chosen))
        if found is None or not typed:
            self._left.set()
        else:
            self._view = found

    async def _draw(self, live: Live, console: Console) -> None:
        while True:
            size = Size(*console.size)
            now = datetime.now(UTC)
            lines = screen(self._seen, self._view, size, now, self._access.server)
            live.update(Group(*lines), refresh=True)
            await asyncio.sleep(_REFRESH_INTERVAL)

    async def _watch(self, client: Client) -> None:
        messages = client.watch_tasks_of_tenants(
            heartbeat_interval=_HEARTBEAT_INTERVAL, heartbeats=True
        )
        async with aclosing(heard(messages, _SILENCE, self._say)) as following:
            async for message in following:
                self._seen.away = False
                self._seen.hear(message, datetime.now(UTC).timestamp())

    def _say(self, text: str) -> None:
        """Is told when the server is away, and when it is back."""
        self._seen.away = "away" in text

    async def _ask_for_status(self, client: Client) -> None:
        while True:
            await asyncio.sleep(_STATUS_INTERVAL)
            with suppress(CountermandError):  # the watch says that the server is away
                self._seen.status = (await client.get_server_status()).status

    async def _ask_for_refunds(self, client: Client) -> None:
        while True:
            with suppress(CountermandError):
                page = await client.list_tasks_of_tenants(
                    refund_state=RefundState.REFUND_STATE_REQUIRED, page_size=PAGE_SIZE
                )
                self._seen.owed = {key_of(one) for one in page.tasks}
                self._seen.owes_more = bool(page.next_page_token)
            await asyncio.sleep(_REFUNDS_INTERVAL)


@contextmanager
def _keys_at_once(press: Callable[[], None]) -> Iterator[None]:
    """Hears of each key when it is pressed, and shows none of them."""
    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    loop = asyncio.get_running_loop()
    tty.setcbreak(keyboard)
    loop.add_reader(keyboard, press)
    try:
        yield
    finally:
        loop.remove_reader(keyboard)
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
