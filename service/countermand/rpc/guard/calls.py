"""The guard around every method: who calls, what they send, what they are answered.

It wraps each method once, when the server is built. It is the outermost layer: no exception and
no text of one gets past it, and every call ends with a status.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message

from countermand.core.errors import Reason, Refused, invalid, unavailable
from countermand.core.keys import NO_LIMITS
from countermand.core.knobs import CallsKnobs
from countermand.engine.keyring import Keyring, Principal
from countermand.engine.watching.open_watches import Watcher, Watchers
from countermand.rpc.guard.call_timeout import CallTimeout
from countermand.rpc.guard.credentials import Credentials
from countermand.rpc.guard.limits import CallLimits, LineLimit
from countermand.rpc.guard.open_calls import draining
from countermand.rpc.listening.certificates import client_name
from countermand.rpc.method import Call, Stream, Unary
from countermand.rpc.status import render
from countermand.store.contract import StoreFailed
from countermand.telemetry.calls import CallTrace
from countermand.telemetry.conventions import PEER_ADDRESS, peer_attributes
from countermand.telemetry.logs import fields
from countermand.telemetry.tracing import Tracing

log = logging.getLogger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]

AT_WILL = {
    Reason.API_KEY_MISSING,
    Reason.API_KEY_INVALID,
    Reason.RATE_LIMITED,
    Reason.TOO_MANY_WATCHERS,
}
"""Why calls are refused that cost a caller nothing."""


class Guard:
    """Wraps methods into handlers for grpc.aio."""

    def __init__(
        self,
        keyring: Keyring,
        watchers: Watchers,
        tracing: Tracing,
        limits: CallLimits,
        knobs: CallsKnobs,
        *,
        mutual_tls: bool = False,
    ) -> None:
        """`mutual_tls` says whether clients show certificates, whose names are remembered."""
        self._keyring = keyring
        self._watchers = watchers
        self._tracing = tracing
        self._limits = limits
        self._mutual_tls = mutual_tls
        self._timeout = CallTimeout(knobs.timeout)
        self._lines = LineLimit(knobs.max_lines_per_second)
        self._draining = False

    def drain(self) -> None:
        """Refuses all calls that come from now on."""
        self._draining = True

    def unary(self, method: Unary) -> Callable[[bytes, Context], Awaitable[bytes]]:
        """Returns the handler of a method that answers once."""

        async def handler(data: bytes, context: Context) -> bytes:
            sent = Credentials(context.invocation_metadata())
            trace = self._tracing.start_call(method.name, sent.traceparent(), sent.tracestate())
            task = self._timeout.begin()
            try:
                principal, request = self._let_in(method, sent, data, context)
                call = self._call(principal, trace, context)
                response = await method.handle(call, request)
                answer = response.SerializeToString()
            except BaseException as error:
                refusal = self._too_long() if self._timeout.end(task) else _refusal_of(error)
                await self._abort(context, method.name, trace, refusal)
                raise
            self._timeout.end(task)
            if trace.context.sampled:
                trace.end("OK", peer=context.peer())
                log.info("call", extra=fields(trace.context, method=method.name, status="OK"))
            return answer

        return handler

    def stream(self, method: Stream) -> Callable[[bytes, Context], Awaitable[None]]:
        """Returns the handler of a method that answers with a stream."""

        async def handler(data: bytes, context: Context) -> None:
            sent = Credentials(context.invocation_metadata())
            trace = self._tracing.start_call(method.name, sent.traceparent(), sent.tracestate())
            event = "call refused"
            try:
                principal, request = self._let_in(method, sent, data, context)
                key_id, most = principal.key_id, principal.limits.open_watches
                with self._watchers.opened(key_id, most, principal.counted_as) as watcher:
                    event = "watch ended"
                    call = self._call(principal, trace, context)
                    await _send(method, call, request, watcher, context, trace)
            except BaseException as error:
                await self._abort(context, method.name, trace, _refusal_of(error), event)
                raise

        return handler

    def _let_in(
        self, method: Unary | Stream, sent: Credentials, data: bytes, context: Context
    ) -> tuple[Principal, Message]:
        """Checks in the order of the API: key, rate, scope, form. Raises Refused."""
        if self._draining:
            raise draining()
        try:
            principal = self._keyring.authenticate(sent.key())
        except Refused as refusal:
            raise self._limits.failed_login(_address(context), refusal) from None
        if principal.limits != NO_LIMITS:
            self._limits.admit(principal, method.kind)
        principal.require(method.scopes)
        if len(data) > method.most_bytes:
            raise invalid("request", f"must have at most {method.most_bytes} bytes")
        try:
            return principal, method.request.FromString(data)
        except DecodeError:
            raise invalid(
                "request", f"is no {method.request.DESCRIPTOR.full_name} in protobuf encoding"
            ) from None

    def _call(self, principal: Principal, trace: CallTrace, context: Context) -> Call:
        if not self._mutual_tls:
            return Call(principal, trace.context)
        return Call(principal, trace.context, lambda: client_name(context.auth_context()))

    def _too_long(self) -> Refused:
        return unavailable(
            f"the call took longer than {self._timeout.seconds:g} s; what it asked may yet be done"
        )

    async def _abort(
        self,
        context: Context,
        name: str,
        trace: CallTrace,
        refusal: Refused | None,
        event: str = "call refused",
    ) -> None:
        """Ends the call with a status; returns only if the client is gone."""
        if refusal is None:
            trace.end("CANCELLED")
            return
        rendered = render(refusal)
        reason = str(refusal.reason)
        if trace.context.sampled:
            trace.end(rendered.code.name, reason, peer=context.peer())
        self._log(event, context, name, trace, rendered.code.name, refusal)
        if refusal.reason is Reason.RATE_LIMITED:
            await self._limits.hold_back(refusal, context.time_remaining())
        await context.abort(rendered.code, rendered.message, rendered.trailers)

    def _log(
        self,
        event: str,
        context: Context,
        name: str,
        trace: CallTrace,
        status: str,
        refusal: Refused,
    ) -> None:
        """Writes one line; of what anybody can cause at will, only as many as the log bears."""
        who: dict[str, object] = {}
        if refusal.reason in AT_WILL:
            left_out = self._lines.take()
            if left_out is None:
                return
            who = {"address": _address(context), "left_out": left_out}
        if "key_id" in refusal.metadata:
            who["key_id"] = refusal.metadata["key_id"]
        reason = str(refusal.reason)
        log.info(
            event, extra=fields(trace.context, method=name, status=status, reason=reason, **who)
        )


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


def _refusal_of(error: BaseException) -> Refused | None:
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
        log.error("a reading failed", extra=fields(cause=str(error)))
        return unavailable("the store cannot be read; try again")
    if isinstance(error, Exception):
        log.error("a call failed unexpectedly", exc_info=error)
        return Refused(Reason.INTERNAL, "internal error")
    return None


def _address(context: Context) -> str:
    return str(peer_attributes(context.peer())[PEER_ADDRESS])
