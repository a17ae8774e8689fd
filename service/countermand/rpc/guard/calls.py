"""The guard around every method: who calls, what they send, what they are answered.

It wraps each method once, when the server is built. It is the outermost layer: no exception and
no text of one gets past it, and every call ends with a status.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from time import perf_counter
from typing import NamedTuple

from google.protobuf.message import Message

from countermand.core.errors import Reason, Refused, unavailable
from countermand.core.keys import NO_LIMITS
from countermand.core.knobs import CallsKnobs
from countermand.engine.keyring import Keyring, Principal
from countermand.engine.watching.open_watches import Watcher, Watchers
from countermand.rpc.guard.arrivals import Arrivals
from countermand.rpc.guard.call_timeout import CallTimeout
from countermand.rpc.guard.credentials import Credentials
from countermand.rpc.guard.limits import CallLimits
from countermand.rpc.guard.open_calls import Context, OpenCalls, draining
from countermand.rpc.guard.peers import address_of
from countermand.rpc.guard.refusal_log import RefusalLog
from countermand.rpc.listening.certificates import client_name
from countermand.rpc.method import Call, Stream, Unary
from countermand.rpc.status import ANSWERS, render
from countermand.rpc.wire.pieces import read_request
from countermand.store.contract import StoreFailed
from countermand.telemetry.calls import CallTrace
from countermand.telemetry.logs import fields
from countermand.telemetry.measures import OTHER, CallMeasure, Measures
from countermand.telemetry.tracing import Tracing

log = logging.getLogger(__name__)


class Guard:
    """Wraps methods into handlers for grpc.aio."""

    def __init__(
        self,
        keyring: Keyring,
        watchers: Watchers,
        tracing: Tracing,
        measures: Measures,
        limits: CallLimits,
        calls: OpenCalls,
        log: RefusalLog,
        knobs: CallsKnobs,
        *,
        mutual_tls: bool = False,
    ) -> None:
        """`mutual_tls` says whether clients show certificates, whose names are remembered."""
        self._keyring = keyring
        self._watchers = watchers
        self._tracing = tracing
        self._measures = measures
        self._strangers = measures.of_method(OTHER)
        self._limits = limits
        self._calls = calls
        self._log = log
        self._mutual_tls = mutual_tls
        self._timeout = CallTimeout(knobs.timeout)
        self._arrivals = Arrivals(knobs.arrivals)
        self._pieces = knobs.pieces
        self._draining = False

    def drain(self) -> None:
        """Refuses all calls that come from now on, and those whose requests have not come."""
        self._draining = True
        self._arrivals.drain()

    def unary(self, method: Unary) -> Callable[[Context], Awaitable[bytes]]:
        """Returns the handler of a method that answers once."""
        measure = self._measures.of_method(method.name)

        async def handler(context: Context) -> bytes:
            begin = perf_counter()
            caller, size, tasks = None, 0, 0
            task = self._timeout.begin()
            try:
                caller = self._let_in(method, context)
                caller.principal.require(method.scopes)
                data = await self._arrivals.request(context)
                self._calls.owe()
                size = len(data)
                request = await read_request(method, data, self._pieces)
                del data
                tasks = method.tasks_of(request)
                response = await method.handle(self._call(caller, context), request)
                answer = response.SerializeToString()
                size += len(answer)
            except BaseException as error:
                refusal = self._too_long() if self._timeout.end(task) else self._refusal_of(error)
                self._measure(refusal, measure if caller else self._strangers, begin)
                await self._abort(context, method.name, caller, refusal)
                raise
            finally:
                if caller is not None and caller.principal.limits != NO_LIMITS:
                    self._limits.weigh(caller.principal, method.kind, size, tasks)
            self._timeout.end(task)
            trace = caller.trace
            measure.ended("OK", begin, trace.context)
            if trace.context.sampled:
                trace.end("OK", peer=context.peer())
                log.info("call", extra=fields(trace.context, method=method.name, status="OK"))
            return answer

        return handler

    def stream(self, method: Stream) -> Callable[[Context], Awaitable[None]]:
        """Returns the handler of a method that answers with a stream."""

        async def handler(context: Context) -> None:
            caller = None
            event = "call refused"
            try:
                caller = self._let_in(method, context)
                caller.principal.require(method.scopes)
                data = await self._arrivals.request(context)
                self._calls.stream()
                request = await read_request(method, data, self._pieces)
                principal = caller.principal
                key_id, most = principal.key_id, principal.limits.open_watches
                with self._watchers.opened(key_id, most, principal.counted_as) as watcher:
                    event = "watch ended"
                    watcher.method, watcher.request = method.name, request
                    call = self._call(caller, context)
                    self._measures.watch_opened()
                    await _send(method, call, request, watcher, context, caller.trace)
            except BaseException as error:
                refusal = self._refusal_of(error)
                self._measure_watch(refusal, opened=event == "watch ended")
                await self._abort(context, method.name, caller, refusal, event)
                raise
            self._measures.watch_ended("OK")

        return handler

    def _let_in(self, method: Unary | Stream, context: Context) -> "_Caller":
        """Checks what the metadata says of the caller: key, and rate. Raises Refused.

        What a stranger says of a trace counts for nothing, nor what comes too often.
        """
        if self._draining:
            raise draining()
        sent = Credentials(context.invocation_metadata())
        try:
            principal = self._keyring.authenticate(sent.key())
        except Refused as refusal:
            raise self._limits.failed_login(address_of(context), refusal) from None
        if principal.limits != NO_LIMITS:
            self._limits.admit(principal, method.kind)
        trace = self._tracing.start_call(method.name, sent.traceparent(), sent.tracestate())
        return _Caller(principal, trace)

    def _call(self, caller: "_Caller", context: Context) -> Call:
        principal, trace = caller
        if not self._mutual_tls:
            return Call(principal, trace.context)
        return Call(principal, trace.context, lambda: client_name(context.auth_context()))

    def _measure(self, refusal: Refused | None, measure: CallMeasure, begin: float) -> None:
        """Counts a call that is not answered with OK. It is not yet held back."""
        if refusal is None:
            measure.ended("CANCELLED", begin)
            return
        measure.ended(ANSWERS[refusal.reason].code.name, begin)
        self._measures.refused(refusal.reason)

    def _measure_watch(self, refusal: Refused | None, *, opened: bool) -> None:
        """Counts a watch that was refused, or ended without OK."""
        if refusal is not None:
            self._measures.refused(refusal.reason)
        if opened:
            status = "CANCELLED" if refusal is None else ANSWERS[refusal.reason].code.name
            self._measures.watch_ended(status)

    def _too_long(self) -> Refused:
        return unavailable(
            f"the call took longer than {self._timeout.seconds:g} s; what it asked may yet be done"
        )

    async def _abort(
        self,
        context: Context,
        name: str,
        caller: "_Caller | None",
        refusal: Refused | None,
        event: str = "call refused",
    ) -> None:
        """Ends the call with a status; returns only if the client is gone.

        Without a `caller`, it is one whose key or rate did not let it in.
        """
        trace = self._tracing.unknown_call() if caller is None else caller.trace
        if refusal is None:
            trace.end("CANCELLED")
            return
        rendered = render(refusal)
        status, reason = rendered.code.name, str(refusal.reason)
        if trace.context.sampled:
            trace.end(status, reason, peer=context.peer())
        key_id = refusal.metadata.get("key_id") if caller is None else caller.principal.key_id
        self._log.refused(
            event, trace.context, name, status, refusal, key_id, lambda: address_of(context)
        )
        if refusal.reason is Reason.RATE_LIMITED:
            await self._limits.hold_back(refusal, context.time_remaining())
        await context.abort(rendered.code, rendered.message, rendered.trailers)

    def _refusal_of(self, error: BaseException) -> Refused | None:
        """Returns how to answer for what came out of a method; None if the client is gone."""
        if isinstance(error, Refused):
            return error
        if isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                return None
            # It arose inside: without a status of ours, the client would wait for its own deadline.
            return unavailable("the call was broken off; try again")
        if isinstance(error, StoreFailed):
            self._log.failed("a reading failed", error)
            return unavailable("the store cannot be read; try again")
        if isinstance(error, Exception):
            self._log.failed("a call failed unexpectedly", error)
            return Refused(Reason.INTERNAL, "internal error")
        return None


class _Caller(NamedTuple):
    """Who was let in, and the trace of the call."""

    principal: Principal
    trace: CallTrace


async def _send(
    method: Stream,
    call: Call,
    request: Message,
    watcher: Watcher,
    context: Context,
    trace: CallTrace,
) -> None:
    """Sends every message of the stream; each write waits for the client to take it."""
    loop = asyncio.get_running_loop()
    sending = method.handle(call, request, watcher)
    status = "CANCELLED"
    try:
        async with aclosing(sending):
            async for message in sending:
                if not watcher.messages:
                    trace.watch_opened(peer=context.peer() if trace.context.sampled else None)
                watcher.messages += 1
                watcher.writing_since = loop.time()
                await context.write(message)
                watcher.writing_since = None
        status = "OK"
    except asyncio.CancelledError:
        watcher.writing_since = None
        watcher.check()
        raise
    except Refused as refusal:
        status = render(refusal).code.name
        raise
    finally:
        if watcher.messages:
            trace.watch_closed(status, messages=watcher.messages)
