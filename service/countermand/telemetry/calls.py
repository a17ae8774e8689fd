"""The trace of one call: what an interceptor holds from its start to its end."""

import time
from random import getrandbits
from typing import Final

from countermand.core.trace import TraceContext
from countermand.telemetry import conventions
from countermand.telemetry.spans import (
    Attributes,
    AttributeValue,
    FinishedSpan,
    Recorder,
    SpanKind,
)


class CallTrace:
    """The trace of one call; this one is not sampled, so all but the context is without effect.

    A unary call, a refused one, or a short stream: `end` once. A watch that was let in:
    `watch_opened` once, which ends the span of the call, and `watch_closed` once, which records
    another; no span is open in between.

    Keyword attributes are named without the prefix `countermand.`, which is put before them.
    `peer` is the caller's address as gRPC writes it, such as `ipv4:127.0.0.1:50051`. Read it only
    if `context.sampled`: it takes time.
    """

    __slots__ = ("context",)

    def __init__(self, context: TraceContext) -> None:
        self.context: Final = context
        """The span of this call, to be the parent of whatever the call causes."""

    def end(
        self,
        status: str,
        error_type: str | None = None,
        *,
        peer: str | None = None,
        **attributes: AttributeValue,
    ) -> None:
        """Records the call with its status, such as `NOT_FOUND`; only the first end counts.

        `error_type` is what failed, in a few words that recur. Without it, a status that is the
        server's fault stands for itself.
        """

    def watch_opened(self, *, peer: str | None = None, **attributes: AttributeValue) -> None:
        """Records the call as the opening of a watch, which has no status yet."""

    def watch_closed(
        self,
        status: str,
        error_type: str | None = None,
        *,
        messages: int,
        **attributes: AttributeValue,
    ) -> None:
        """Records the end of the watch and how many messages it sent."""


class SampledCall(CallTrace):
    """The trace of a call that is sampled: it records."""

    __slots__ = ("_ended", "_method", "_parent", "_recorder", "_start_ns")

    def __init__(
        self, recorder: Recorder, method: str, context: TraceContext, parent: TraceContext | None
    ) -> None:
        super().__init__(context)
        self._recorder = recorder
        self._method = method
        self._parent = parent
        self._start_ns = time.time_ns()
        self._ended = False

    def end(
        self,
        status: str,
        error_type: str | None = None,
        *,
        peer: str | None = None,
        **attributes: AttributeValue,
    ) -> None:
        if not self._ended:
            self._record_call(_outcome(status, error_type), peer, attributes, status)

    def watch_opened(self, *, peer: str | None = None, **attributes: AttributeValue) -> None:
        if not self._ended:
            self._record_call({conventions.WATCH_PHASE: "open"}, peer, attributes, "OK")

    def watch_closed(
        self,
        status: str,
        error_type: str | None = None,
        *,
        messages: int,
        **attributes: AttributeValue,
    ) -> None:
        now = time.time_ns()
        all_attributes = {
            conventions.RPC_METHOD: self._method,
            conventions.WATCH_PHASE: "close",
            conventions.WATCH_MESSAGES: messages,
            conventions.WATCH_SECONDS: max(0, now - self._start_ns) / 1e9,
            **_outcome(status, error_type),
            **_own(attributes),
        }
        span = FinishedSpan(
            name=conventions.WATCH_CLOSE_SPAN,
            context=child_of(self.context),
            parent=self.context,
            start_ns=now,
            end_ns=now,
            attributes=all_attributes,
            failed=status in conventions.SERVER_FAULTS,
        )
        self._recorder.record(span)

    def _record_call(
        self, outcome: Attributes, peer: str | None, own: Attributes, status: str
    ) -> None:
        self._ended = True
        attributes: dict[str, AttributeValue] = {
            conventions.RPC_SYSTEM_NAME: conventions.GRPC,
            conventions.RPC_METHOD: self._method,
            **outcome,
        }
        if peer is not None:
            attributes.update(conventions.peer_attributes(peer))
        if own:
            attributes.update(_own(own))
        span = FinishedSpan(
            name=self._method,
            context=self.context,
            parent=self._parent,
            start_ns=self._start_ns,
            # The clock of the wall may be set back meanwhile.
            end_ns=max(self._start_ns, time.time_ns()),
            attributes=attributes,
            kind=SpanKind.SERVER,
            parent_is_remote=True,
            failed=status in conventions.SERVER_FAULTS,
        )
        self._recorder.record(span)


def new_span_id() -> int:
    """Returns an id that no other span has, by all odds, and that is not zero."""
    return getrandbits(64) or 1


def child_of(parent: TraceContext) -> TraceContext:
    """Returns a new span of the parent's trace, sampled if the parent is."""
    return TraceContext(parent.trace_id, f"{new_span_id():016x}", parent.sampled, parent.state)


def _outcome(status: str, error_type: str | None) -> dict[str, AttributeValue]:
    if error_type is None and status in conventions.SERVER_FAULTS:
        error_type = status
    outcome: dict[str, AttributeValue] = {conventions.RPC_STATUS_CODE: status}
    if error_type is not None:
        outcome[conventions.ERROR_TYPE] = error_type
    return outcome


def _own(attributes: Attributes) -> dict[str, AttributeValue]:
    return {conventions.OWN_PREFIX + name: value for name, value in attributes.items()}
