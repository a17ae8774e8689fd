"""One life of the server in the simulation: all of its parts but for the port."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from countermand.app.composition import App, running
from countermand.core.knobs import Knobs
from countermand.core.rows import Saves
from countermand.core.shipping import ShippedWords
from countermand.engine.clock import Clock
from countermand.engine.listeners import Committed
from countermand.engine.vault import Vault
from countermand.rpc.guard.calls import Guard
from countermand.rpc.guard.limits import CallLimits
from countermand.rpc.guard.line_limit import LineLimit
from countermand.rpc.guard.open_calls import OpenCalls, draining
from countermand.rpc.guard.refusal_log import RefusalLog
from countermand.rpc.method import methods_of
from countermand.rpc.router import handlers_of
from countermand.rpc.services import services_of
from countermand.telemetry.measures import Measures
from countermand.telemetry.tracing import Tracing
from countermand.webhooks.dispatcher import Dispatcher
from tests.simulation.endpoints import SimSender
from tests.simulation.loop import Realm
from tests.simulation.network import Address
from tests.simulation.store import TROUBLE, SimStore, Trouble

DRAIN = 10.0
"""Seconds that calls have to end in."""


class Clocks(NamedTuple):
    """The clocks of the machine, in nanoseconds."""

    wall: Callable[[], int]
    monotonic: Callable[[], int]


class Life:
    """One process, from its start until it leaves or dies."""

    def __init__(
        self,
        number: int,
        path: Path,
        knobs: Knobs,
        retention: int | None,
        clocks: Clocks,
        trouble: Trouble,
        address: Address,
        hear: Callable[[Committed], None],
        on_purge: Callable[[], None],
        on_write: Callable[[Saves], None],
        sender: SimSender,
    ) -> None:
        self.realm = Realm(f"server {number}")
        self.path = path
        self.ready = asyncio.Event()
        self.left = asyncio.Event()
        """Set when the process has ended, however it did."""
        self.failure: BaseException | None = None
        """Why it could not go on."""
        self.store: SimStore
        self.parts: list[object] = []
        """All that it is made of, for the check that nothing is left in it."""
        self._knobs = knobs
        self._retention = retention
        self._clocks = clocks
        self._address = address
        self._hear = hear
        self._on_purge = on_purge
        self._on_write = on_write
        self._sender = sender
        self._stop = asyncio.Event()
        self.app: App
        self.realm.context.run(TROUBLE.set, trouble)
        asyncio.get_running_loop().create_task(self._live(), context=self.realm.context.copy())

    def stop(self) -> None:
        """Lets it drain."""
        self._stop.set()

    def die(self) -> None:
        """Ends it at once, wherever it stands."""
        self.realm.is_dead = True
        self._address.close()
        self.left.set()

    async def _live(self) -> None:
        self.store = SimStore(self.path, self._knobs.store, self._on_purge, self._on_write)
        try:
            await self._run()
        except Exception as failure:
            self.failure = failure
        self.die()

    async def _run(self) -> None:
        clock = Clock(self._knobs.clock, *self._clocks)
        async with running(
            self.store,
            self._knobs,
            retention=self._retention,
            listeners=[self._hear],
            clock=clock,
            idle_clock=lambda: self._clocks.monotonic() / 1e9,
        ) as (app, failing):
            self.app = app
            await self._serve(app, failing)

    async def _serve(self, app: App, failing: asyncio.Task[None]) -> None:
        knobs, monotonic = self._knobs, self._clocks.monotonic
        calls = OpenCalls()
        lines = LineLimit(knobs.calls.max_lines_per_second, 1, monotonic)
        limits = CallLimits(10, knobs.calls, monotonic)
        refusals = RefusalLog(lines, knobs.calls)
        tracing, measures, vault = Tracing(knobs.telemetry), Measures(), Vault()
        guard = Guard(
            app.keyring,
            app.watchers,
            tracing,
            measures,
            limits,
            calls,
            refusals,
            knobs.calls,
        )
        services = services_of(app, ShippedWords(), refusals.counts, vault)
        methods = [method for service in services for method in methods_of(service)]
        dispatcher = Dispatcher(
            app.store,
            app.writer,
            app.clock,
            vault,
            tracing,
            measures,
            knobs.webhooks,
            make_sender=self._sender,
        )
        delivering = asyncio.create_task(dispatcher.run())
        self.parts = [app, guard, calls, limits, dispatcher]
        self._address.serve(self.realm, dict(handlers_of(guard, methods)))
        self.ready.set()
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([stopping, failing], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        guard.drain()
        calls.drain()
        app.watchers.end_all(draining)
        seconds = knobs.server.failed_drain_timeout if failing.done() else DRAIN
        await calls.finished(seconds, knobs.server.stalled_stream_timeout, 0.0)
        if failing.done():
            self.failure = failing.exception()
            self.die()  # The process leaves here, whatever still hangs in it.
            await asyncio.sleep(0)
