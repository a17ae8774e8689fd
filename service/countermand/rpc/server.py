"""The server: binds the services to a port, and runs until it is told to leave."""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NoReturn

import grpc

from countermand import __version__
from countermand.core.errors import Refused
from countermand.core.ids import SCOPES
from countermand.core.knobs import Knobs
from countermand.core.retention import DAY
from countermand.core.shipping import ShippedWords
from countermand.rpc.app import App, open_store, running
from countermand.rpc.guard import Guard, draining
from countermand.rpc.handlers import answering_once, answering_with_stream
from countermand.rpc.limits import CallLimits
from countermand.rpc.listening import ListenRefused, listen, options
from countermand.rpc.memory import give_back, share_heaps
from countermand.rpc.method import Servicer, Stream, Unary
from countermand.rpc.public import Public
from countermand.rpc.servicers.agent import AgentService
from countermand.rpc.servicers.cancellation import CancellationService
from countermand.rpc.servicers.checkout import CheckoutService
from countermand.rpc.servicers.key import KeyService
from countermand.rpc.servicers.order import OrderService
from countermand.rpc.servicers.task import TaskService
from countermand.rpc.settings import Settings
from countermand.rpc.story import Storyteller
from countermand.store.contract import StoreFailed, StoreRefused
from countermand.telemetry.logs import configure, fields
from countermand.telemetry.tracing import Tracing

log = logging.getLogger(__name__)


async def serve(settings: Settings, knobs: Knobs) -> int:
    """Runs a server until SIGTERM or SIGINT. Returns the exit status of the process.

    0: it drained. 1: it could not start, or could not write any more.
    """
    share_heaps(knobs.server.max_heaps)
    sys.setswitchinterval(knobs.server.switch_interval)
    configure("INFO")
    tracing = Tracing.from_environment(knobs.telemetry, service_version=__version__)
    try:
        retention = int(settings.retention * DAY)
        store = open_store(settings.store, knobs.store)
        tellers = [Storyteller(tracing, store.name)]
        async with running(
            store,
            knobs,
            retention=retention,
            max_watches=settings.max_watches,
            listeners=tellers,
        ) as (app, failing):
            return await _serve(settings, app, failing, tracing)
    except (StoreRefused, ListenRefused) as refusal:
        print(f"countermand: {refusal}", file=sys.stderr)
        return 1
    except Refused as refusal:  # The first key could not be made; the server is half started.
        print(f"countermand: {refusal.message}", file=sys.stderr)
        _leave(1)
    except StoreFailed as failure:
        log.critical("cannot write any more, and leave", exc_info=failure)
        _leave(1)
    finally:
        await asyncio.to_thread(tracing.shutdown)


async def _serve(
    settings: Settings, app: App, failing: asyncio.Task[None], tracing: Tracing
) -> int:
    told = _Told()
    mutual_tls = settings.tls_client_ca is not None
    knobs = app.knobs
    limits = CallLimits(settings.max_failed_logins, knobs.calls)
    guard = Guard(app.keyring, app.watchers, tracing, limits, knobs.calls, mutual_tls=mutual_tls)
    services = services_of(app, ShippedWords(settings.shipped_words))
    server = grpc.aio.server(options=options(knobs.connections))
    methods = [method for service in services.values() for method in service.methods()]
    public = Public(services, knobs.public)
    server.add_generic_rpc_handlers((_Router(guard, methods), public))
    address = listen(server, settings)
    await server.start()
    _collect_less_often(knobs.server.max_young_objects)
    giving_back = asyncio.create_task(give_back(knobs.server.memory_interval))
    if not len(app.keyring):
        log.info("made the first API key; it is the next line, and is not shown again")
        print(await app.keyring.create_first(), file=sys.stderr, flush=True)
    public.set_health(serving=True)
    print(f"listening on {address}", flush=True)
    log.info(
        "serving",
        extra=fields(
            address=address,
            store=app.store.name,
            encrypted=settings.tls_cert is not None,
            retention_days=settings.retention,
        ),
    )

    leaving = asyncio.create_task(told.first.wait())
    await asyncio.wait([leaving, failing], return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    giving_back.cancel()
    status = _why(failing)
    public.set_health(serving=False)
    guard.drain()
    app.watchers.end_all(draining)
    log.info("draining", extra=fields(seconds=settings.drain_timeout))
    seconds = knobs.server.failed_drain_timeout if status else settings.drain_timeout
    await _stop(server, seconds, min(knobs.server.max_goodbye, seconds / 4), told)
    if status or told.second.is_set():
        _leave(status)
    return status


def services_of(app: App, shipped_words: ShippedWords) -> dict[str, Servicer]:
    """Returns all services, by their full names."""
    store, writer, clock, paging = app.store, app.writer, app.clock, app.knobs.paging
    return {
        "countermand.v1.CancellationService": CancellationService(
            store, writer, app.watch, shipped_words, paging
        ),
        "countermand.v1.TaskService": TaskService(store, writer, clock, app.ids, paging),
        "countermand.v1.CheckoutService": CheckoutService(store, writer, clock, app.ids),
        "countermand.v1.OrderService": OrderService(store, writer, clock, app.ids),
        "countermand.v1.AgentService": AgentService(store, writer),
        "countermand.v1.KeyService": KeyService(app.keyring, clock),
    }


def _collect_less_often(max_young_objects: int) -> None:
    """Spares what lives long from being looked at by the garbage collector again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(max_young_objects, *gc.get_threshold()[1:])


async def _stop(server: grpc.aio.Server, seconds: float, goodbye: float, told: "_Told") -> None:
    """Stops the server when its calls have ended, after so many seconds, or when told again.

    Calls that come are answered with DRAINING for the seconds of the goodbye first: a client that
    has not seen yet that the server leaves would be answered with the status CANCELLED by gRPC
    itself.
    """
    with suppress(TimeoutError):
        await asyncio.wait_for(told.second.wait(), goodbye)
    stopping = asyncio.create_task(server.stop(seconds))
    at_once = asyncio.create_task(told.second.wait())
    await asyncio.wait([stopping, at_once], return_when=asyncio.FIRST_COMPLETED)
    at_once.cancel()
    if not stopping.done():
        await server.stop(0)
    await stopping


def _why(failing: asyncio.Task[None]) -> int:
    """Returns the exit status, and logs what failed if something did."""
    if not failing.done():
        return 0
    log.critical("cannot write any more, and leave", exc_info=failing.exception())
    return 1


def _leave(status: int) -> NoReturn:
    """Ends the process at once: a thread that hangs in the disk would keep it alive for ever."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)


class _Told:
    """Notes the signals that tell the server to leave: the first drains, the second stops."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.second = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._hear)

    def _hear(self) -> None:
        (self.second if self.first.is_set() else self.first).set()


class _Router(grpc.GenericRpcHandler):
    """Finds the handler of a method by its path.

    Raises ValueError for a method that names no scope, or one that no key has: what nobody thought
    about is not served.
    """

    def __init__(self, guard: Guard, methods: Iterable[Unary | Stream]) -> None:
        self._handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {}
        for method in methods:
            if not method.scopes or not set(SCOPES).issuperset(method.scopes):
                raise ValueError(f"{method.name} must name the scopes that may call it")
            self._handlers[f"/{method.name}"] = (
                answering_with_stream(guard.stream(method))
                if isinstance(method, Stream)
                else answering_once(guard.unary(method))
            )

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any] | None":
        return self._handlers.get(str(handler_call_details.method))
