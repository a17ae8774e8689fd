"""Spans of calls, commits and stories.

The stock interceptor for grpc.aio is not used: it breaks coroutine streams, reports wrong statuses
and costs more than half of the throughput even when it samples nothing. Here, a call that is not
sampled makes its ids and nothing else.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from random import getrandbits

from countermand.core.knobs import TelemetryKnobs
from countermand.core.trace import TraceContext
from countermand.telemetry import conventions
from countermand.telemetry.calls import CallTrace, SampledCall, child_of, new_span_id
from countermand.telemetry.environment import settings_from
from countermand.telemetry.sampling import NEVER, Sampler
from countermand.telemetry.spans import (
    Attributes,
    AttributeValue,
    FinishedSpan,
    Recorder,
    SpanKind,
)
from countermand.telemetry.traceparent import kept_tracestate, parse_traceparent
from countermand.telemetry.variables import VariableRefused

log = logging.getLogger(__name__)


class Tracing:
    """Makes the ids of every call, and the spans of those that are sampled.

    Without a recorder it records nothing and samples nothing, and still makes ids.
    """

    def __init__(
        self,
        knobs: TelemetryKnobs,
        recorder: Recorder | None = None,
        sampler: Sampler = NEVER,
    ) -> None:
        """Records to `recorder` what `sampler` chooses."""
        self._knobs = knobs
        self._recorder = None if sampler.never_samples else recorder
        self._sampler = NEVER if recorder is None else sampler

    @classmethod
    def from_environment(
        cls, knobs: TelemetryKnobs, *, service_version: str, replica: str = ""
    ) -> "Tracing":
        """Configured by the standard OTEL_ variables; off unless they name an endpoint.

        Also off, with one line in the log, if one of them is malformed or not supported: no trace
        is worth a server that does not start, or one that sends its traces elsewhere.
        """
        try:
            settings = settings_from(os.environ)
            if settings is None:
                return cls(knobs)
            # Loading the SDK and its exporter takes a third of a second, which few servers need.
            from countermand.telemetry.export import otlp_recorder

            recorder = otlp_recorder(settings, service_version, replica, knobs)
        except VariableRefused as refusal:
            log.warning("traces are off: %s", refusal)
            return cls(knobs)
        except Exception as error:  # whatever only the SDK objects to
            log.warning("traces are off: %s: %s", type(error).__name__, error)
            return cls(knobs)
        return cls(knobs, recorder, settings.sampler)

    @property
    def records(self) -> bool:
        """Whether anything is recorded, so that it pays to say what happened."""
        return self._recorder is not None

    def start_call(
        self, method: str, traceparent: str | None, tracestate: str | None = None
    ) -> CallTrace:
        """Starts the trace of a call, or goes on with the caller's if its header is valid.

        `method` is fully qualified, as in `countermand.v1.CancellationService/CancelTask`. For a
        method that the service does not have give `_OTHER`, lest strangers invent span names.
        """
        parent = None if traceparent is None else parse_traceparent(traceparent)
        if parent is not None:
            sampled = self._sampler.samples_from(parent)
            state = ""
            if sampled and tracestate:
                state = kept_tracestate(tracestate)
                parent = TraceContext(parent.trace_id, parent.span_id, parent.sampled, state)
            context = TraceContext(parent.trace_id, f"{new_span_id():016x}", sampled, state)
        else:
            # One draw for both ids; the last bit is set because no id may be zero.
            bits = getrandbits(192) | 1
            ids = f"{bits:048x}"
            sampled = self._sampler.samples_new(bits >> 64)
            context = TraceContext(ids[:32], ids[32:], sampled)
        if sampled and self._recorder is not None:
            return SampledCall(self._recorder, method, context, parent)
        return CallTrace(context)

    def unknown_call(self) -> CallTrace:
        """Returns the trace of a call that was not let in: it has ids for the log, and nothing of
        it is recorded, whatever its caller asks for. Else anybody could push out others' spans."""
        ids = f"{getrandbits(192) | 1:048x}"
        return CallTrace(TraceContext(ids[:32], ids[32:], False))

    def record_commit(
        self,
        *,
        start_ns: int,
        end_ns: int,
        requests: Sequence[TraceContext],
        commands: int,
        events: int,
        store: str,
    ) -> None:
        """Records one commit, linked to the first of the sampled requests in it.

        Without a sampled request nothing is recorded.
        """
        if self._recorder is None:
            return
        sampled = [request for request in requests if request.sampled]
        if not sampled:
            return
        # A commit serves many traces and is a child of none of them, hence a trace of its own.
        context = TraceContext(f"{getrandbits(128) | 1:032x}", f"{new_span_id():016x}", True)
        attributes: Attributes = {
            conventions.COMMIT_COMMANDS: commands,
            conventions.COMMIT_EVENTS: events,
            conventions.COMMIT_SAMPLED_REQUESTS: len(sampled),
            conventions.COMMIT_STORE: store,
        }
        self._recorder.record(
            FinishedSpan(
                conventions.COMMIT_SPAN,
                context,
                None,
                start_ns,
                end_ns,
                attributes,
                links=sampled[: self._knobs.max_links],
            )
        )

    def record_story(
        self,
        context: TraceContext,
        name: str,
        *,
        start_ns: int,
        end_ns: int,
        attributes: Mapping[str, AttributeValue],
        links: Sequence[TraceContext] = (),
        kind: SpanKind = SpanKind.INTERNAL,
        failed: bool = False,
    ) -> None:
        """Records what happened later for a call, as its child, if that call was sampled.

        The context may have been stored long ago, and by another process. Attributes are given by
        their full names; the first links are kept.
        """
        if self._recorder is None or not context.sampled:
            return
        self._recorder.record(
            FinishedSpan(
                name,
                child_of(context),
                context,
                start_ns,
                end_ns,
                attributes,
                kind=kind,
                parent_is_remote=True,
                failed=failed,
                links=links[: self._knobs.max_links],
            )
        )

    def leave(self) -> None:
        """Begins to send what there is, and goes on recording."""
        if self._recorder is not None:
            self._recorder.leave()

    def shutdown(self) -> None:
        """Sends what is left and ends recording, after a bounded time.

        It blocks, so call it from a thread or when the event loop has ended. Once is enough, more
        does no harm.
        """
        recorder, self._recorder, self._sampler = self._recorder, None, NEVER
        if recorder is not None:
            recorder.shutdown(self._knobs.shutdown_timeout)
