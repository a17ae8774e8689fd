"""The server: binds the services to a port, and runs until it is told to leave."""

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import grpc

from countermand import __version__
from countermand.app.accepted import AcceptedLog
from countermand.app.address import Address
from countermand.app.composition import App, open_store, running
from countermand.app.first_key import FirstKeyRefused, make_first_key
from countermand.app.instrumentation import Instrumentation
from countermand.app.memory import collect_less_often, give_back, share_heaps
from countermand.app.settings import Settings
from countermand.app.signals import StopSignals
from countermand.app.standard_streams import complain, write_line
from countermand.core.errors import Refused
from countermand.core.ids import UuidMaker
from countermand.core.knobs import Knobs
from countermand.core.retention import DAY
from countermand.core.shipping import ShippedWords
from countermand.engine.listeners import Listener
from countermand.engine.vault import Vault, VaultRefused
from countermand.rpc.guard.calls import Guard
from countermand.rpc.guard.limits import CallLimits
from countermand.rpc.guard.line_limit import LineLimit
from countermand.rpc.guard.open_calls import OpenCalls, draining
from countermand.rpc.guard.refusal_log import RefusalLog
from countermand.rpc.guard.shared_limits import SharedLimits
from countermand.rpc.listening.accepting import make_server
from countermand.rpc.listening.metrics_port import listen_for_scrapes
from countermand.rpc.listening.port import ListenRefused, listen, options
from countermand.rpc.method import methods_of
from countermand.rpc.public.health import SERVICE_NAME as HEALTH
from countermand.rpc.public.health import Health
from countermand.rpc.public.reflection import Reflection
from countermand.rpc.public.unknown import unknown_method
from countermand.rpc.router import handlers_of
from countermand.rpc.services import services_of
from countermand.store.contract import Store, StoreFailed, StoreRefused
from countermand.telemetry.logs import configure, fields
from countermand.telemetry.scraping import ScrapeServer

log = logging.getLogger(__name__)

Deliver = Callable[[App, Settings, Vault, Instrumentation], Coroutine[Any, Any, None]]
"""Delivers webhooks until it is cancelled."""


async def serve(
    settings: Settings,
    knobs: Knobs,
    signals: StopSignals,
    deliver: Deliver,
    *,
    answers_calls: bool = True,
) -> int:
    """Runs a server until SIGTERM or SIGINT. Returns the exit status of the process.

    `deliver` delivers webhooks until it is cancelled. One that answers no calls has no services
    but health and reflection, makes no key, and leaves it to others to remove what is old.

    0: it drained, or was told to leave before it was ready. 1: it could not start, or could not
    write any more.
    """
    share_heaps(knobs.server.max_heaps)
    sys.setswitchinterval(knobs.server.switch_interval)
    strangers = LineLimit(knobs.calls.max_lines_per_second, max_names=1)
    configure(
        settings.log_level, strangers.take, knobs.telemetry, as_text=settings.log_format == "text"
    )
    scraped = settings.metrics_listen is not None
    replica = UuidMaker()(time.time_ns() // 1000)
    instrumentation = Instrumentation(knobs.telemetry, __version__, counts=scraped, replica=replica)
    try:
        life = _Life(settings, knobs, signals, instrumentation, strangers, deliver, answers_calls)
        return await life.live()
    except (StoreRefused, ListenRefused, VaultRefused) as refusal:
        complain(str(refusal))
        return 1
    # The first key could not be made; the server is half started.
    except FirstKeyRefused as refusal:
        complain(str(refusal))
        _leave(1)
    except Refused as refusal:
        complain(refusal.message)
        _leave(1)
    except StoreFailed as failure:
        _log_failure(failure)
        _leave(1)
    finally:
        await asyncio.to_thread(instrumentation.shutdown)


class _Life:
    """One server, from the opening of its store until that is closed."""

    def __init__(
        self,
        settings: Settings,
        knobs: Knobs,
        signals: StopSignals,
        instrumentation: Instrumentation,
        strangers: LineLimit,
        deliver: Deliver,
        answers_calls: bool,
    ) -> None:
        """`strangers` bounds the lines of the log that they cause."""
        self._settings = settings
        self._knobs = knobs
        self._signals = signals
        self._stop = signals.event()
        self._ready = False
        self._instrumentation = instrumentation
        self._calls = OpenCalls()
        self._strangers = strangers
        self._deliver = deliver
        self._answers_calls = answers_calls
        self._vault = Vault(settings.secrets_key)

    async def live(self) -> int:
        """Returns the exit status of the process, soon after the first signal in any case."""
        life = asyncio.create_task(self._run(), name="server")
        stopping = asyncio.create_task(self._stop.wait(), name="stop signal")
        await asyncio.wait([life, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stopping.cancel() or life.done():
            return await life
        if not self._ready:
            life.cancel()
        # What is left after the drain is for the next start; what was answered is on disk.
        limit = self._settings.drain_timeout + self._knobs.server.close_timeout
        await asyncio.wait([life], timeout=limit)
        if not life.done() or life.cancelled():
            log.info("leaving before all is closed", extra=fields(ready=self._ready))
            _leave(0)
        return life.result()

    async def _run(self) -> int:
        replica = self._instrumentation.replica
        store = open_store(self._settings.store, self._knobs.store, replica)
        async with running(
            store,
            self._knobs,
            retention=int(self._settings.retention * DAY) if self._answers_calls else None,
            max_watches=self._settings.max_watches,
            max_tenant_bytes=self._settings.max_tenant_bytes,
            listeners=self._listeners(store),
            opened=lambda: log.info("starting", extra=fields(version=__version__, replica=replica)),
            replica=replica,
        ) as (app, failing):
            return await self._serve(app, failing)

    def _listeners(self, store: Store) -> list[Listener]:
        listeners = self._instrumentation.listeners(store.name)
        return [*listeners, AcceptedLog()] if self._settings.log_accepted else listeners

    async def _serve(self, app: App, failing: asyncio.Task[None]) -> int:
        settings, knobs = self._settings, self._knobs
        refusals = RefusalLog(self._strangers, knobs.calls)
        beside = self._instrumentation.attach(app)
        measures = self._instrumentation.measures
        guard = Guard(
            app.keyring,
            app.watchers,
            self._instrumentation.tracing,
            measures,
            CallLimits(
                settings.max_failed_logins,
                knobs.calls,
                shared=None if app.key_uses is None else SharedLimits(app.key_uses, knobs.key_use),
            ),
            self._calls,
            refusals,
            knobs.calls,
            mutual_tls=settings.tls_client_ca is not None,
        )
        services = []
        if self._answers_calls:
            shipped, loops = ShippedWords(settings.shipped_words), settings.allow_loopback_webhooks
            services = services_of(app, shipped, refusals.counts, self._vault, allow_loopback=loops)
        methods = [method for service in services for method in methods_of(service)]
        names = [service.SERVICE.full_name for service in services]
        health = Health(names, self._calls, refusals, knobs.public)
        reflection = Reflection([*names, HEALTH], self._calls, refusals, knobs.public)
        handlers = handlers_of(guard, methods) | health.handlers() | reflection.handlers()
        unknown = unknown_method(knobs.public, measures)
        server = make_server(handlers, unknown, options(knobs.connections))
        for webhook in await app.store.webhooks(None):
            for secret in webhook.secrets:
                self._vault.open(secret.sealed)
        address = await listen(server, settings, knobs.server.max_free_port_tries)
        scraping = await self._listen_for_scrapes()
        await server.start()
        collect_less_often(knobs.server.max_young_objects)
        beside.append(asyncio.create_task(give_back(knobs.server.memory_interval)))
        delivering = asyncio.create_task(
            self._deliver(app, settings, self._vault, self._instrumentation),
            name="webhooks",
        )
        if self._answers_calls:
            await make_first_key(
                app.keyring, settings.first_key_file, app.store.shared, knobs.membership
            )
        self._ready = True
        health.set(serving=True)
        looking = health.follow(lambda: not app.store.is_away, knobs.server.store_interval)
        beside.append(asyncio.create_task(looking))
        self._announce(address, app.store.name)

        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([stopping, failing], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        for task in beside:
            task.cancel()
        self._signals.status = status = _why(failing)
        seconds = knobs.server.failed_drain_timeout if status else settings.drain_timeout
        health.drain()
        reflection.drain()
        guard.drain()
        self._calls.drain()
        app.watchers.end_all(draining)
        self._instrumentation.leave()
        log.info("draining", extra=fields(seconds=seconds))
        delivering.cancel()
        await self._stop_serving(server, seconds)
        await asyncio.wait([delivering])
        if scraping is not None:
            await asyncio.to_thread(scraping.stop)
        if status:
            await app.store.rescue()
            _leave(status)
        return status

    async def _listen_for_scrapes(self) -> ScrapeServer | None:
        """Returns what answers where metrics are read, if they are. Raises ListenRefused."""
        metrics = self._instrumentation.metrics
        if metrics is None:
            return None
        found = await listen_for_scrapes(self._settings, metrics, self._knobs)
        if found is None:
            return None
        scraping, address = found
        scraping.start()
        log.info("metrics can be read", extra=fields(address=str(address)))
        return scraping

    def _announce(self, address: Address, store: str) -> None:
        try:
            write_line(sys.stdout, f"listening on {address}")
        except OSError as error:
            log.warning("standard output takes nothing: %s", error)
        log.info(
            "serving",
            extra=fields(
                address=str(address),
                store=store,
                encrypted=self._settings.tls_cert is not None,
                retention_days=self._settings.retention,
            ),
        )

    async def _stop_serving(self, server: grpc.aio.Server, seconds: float) -> None:
        """Stops the server when the calls under way are answered, or after so many seconds.

        Calls that come are answered with DRAINING for a moment first: a client that has not seen
        yet that the server leaves would be answered with the status CANCELLED by gRPC itself.
        """
        knobs = self._knobs.server
        goodbye = min(knobs.max_goodbye, seconds / 4)
        await self._calls.finished(seconds, knobs.stalled_stream_timeout, goodbye)
        # Nothing is owed any more. gRPC would wait for connections that answer no ping.
        await server.stop(knobs.disconnect_timeout)


def _why(failing: asyncio.Task[None]) -> int:
    """Returns the exit status, and logs what failed if something did."""
    if not failing.done():
        return 0
    _log_failure(failing.exception())
    return 1


def _log_failure(failure: BaseException | None) -> None:
    log.critical(
        "cannot write any more, and leave", exc_info=failure, extra=fields(cause=str(failure))
    )


def _leave(status: int) -> NoReturn:
    """Ends the process at once: a thread that hangs in the disk would keep it alive forever."""
    logging.shutdown()
    sys.stdout.flush()
    os._exit(status)
