"""A server inside the test's process, for what a whole process cannot be set to: a short write
timeout, or a method that fails."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from countermand.app.composition import App, open_store, running
from countermand.core.knobs import Knobs
from countermand.core.shipping import ShippedWords
from countermand.engine.clock import Clock
from countermand.engine.vault import Vault
from countermand.rpc.guard.calls import Guard
from countermand.rpc.guard.limits import CallLimits
from countermand.rpc.guard.line_limit import LineLimit
from countermand.rpc.guard.open_calls import OpenCalls
from countermand.rpc.guard.refusal_log import RefusalLog
from countermand.rpc.listening.accepting import make_server
from countermand.rpc.listening.port import options
from countermand.rpc.method import Stream, Unary, methods_of
from countermand.rpc.public.unknown import unknown_method
from countermand.rpc.router import handlers_of
from countermand.rpc.services import services_of
from countermand.telemetry.measures import Measures
from countermand.telemetry.tracing import Tracing
from tests.support.caller import Caller
from tests.support.knobs import DRAWN
from tests.support.served_store import url_of
from tests.support.server import StreamWithKey, Stubs, UnaryWithKey


@dataclass
class Inside:
    """What such a server is made of."""

    app: App
    guard: Guard
    address: str
    key: str
    methods: Mapping[str, Unary | Stream]
    """By their full names."""

    async def no_watchers(self, timeout: float = 10) -> None:
        """Returns when no watch is open any more: nothing signals that, so it looks."""
        async with asyncio.timeout(timeout):
            while len(self.app.watchers):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def caller(self, **options: int) -> AsyncIterator[Caller]:
        """Calls on a channel of its own, with such options as `bdp_probe=0`."""
        chosen = [(f"grpc.{name}", value) for name, value in options.items()]
        async with grpc.aio.insecure_channel(
            self.address,
            options=[("grpc.use_local_subchannel_pool", 1), *chosen],
            interceptors=[UnaryWithKey(self.key), StreamWithKey(self.key)],
        ) as channel:
            yield Caller(Stubs(channel), "default", self.key.split("_")[2])


@asynccontextmanager
async def inside(
    folder: Path,
    *,
    knobs: Knobs = DRAWN,
    replaced: Sequence[Unary | Stream] = (),
    name: str = "inside",
    url: str | None = None,
    clock: Clock | None = None,
    measures: Measures | None = None,
) -> AsyncIterator[Inside]:
    """Serves a store of the folder, or what a URL names, with some knobs, some methods and its
    clock replaced."""
    store = open_store(url or url_of(folder / f"{name}.db"), knobs.store)
    async with running(store, knobs, clock=clock) as (app, _):
        limits = CallLimits(1000, knobs.calls)
        calls = knobs.calls
        refusals = RefusalLog(LineLimit(calls.max_lines_per_second, max_names=1), calls)
        measures = measures or Measures()
        guard = Guard(
            app.keyring,
            app.watchers,
            Tracing(knobs.telemetry),
            measures,
            limits,
            OpenCalls(),
            refusals,
            calls,
        )
        methods = {
            method.name: method
            for service in services_of(app, ShippedWords(), refusals.counts, Vault())
            for method in methods_of(service)
        }
        methods |= {method.name: method for method in replaced}
        handlers = handlers_of(guard, methods.values())
        server = make_server(
            handlers, unknown_method(knobs.public, measures), options(knobs.connections)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        key = await app.keyring.create_first()
        try:
            yield Inside(app, guard, f"127.0.0.1:{port}", key, methods)
        finally:
            await server.stop(None)
