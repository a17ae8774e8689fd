"""Ended spans, handed to the OpenTelemetry SDK, which sends them by OTLP.

Spans go to the SDK's processor as they are and not through its tracer: all about them is known when
they end, their ids are made before the SDK has a part in them, and some are children of a span that
another process ended long ago. It also costs less than half.
"""

import os
import threading
from typing import Final

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)
from opentelemetry.trace import SpanKind as SdkKind

from countermand.core.knobs import TelemetryKnobs
from countermand.core.trace import TraceContext
from countermand.telemetry import conventions
from countermand.telemetry.environment import GRPC, TraceSettings, normalize
from countermand.telemetry.spans import FinishedSpan
from countermand.telemetry.traceparent import parse_tracestate

_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_UNSET: Final = Status(StatusCode.UNSET)
_ERROR: Final = Status(StatusCode.ERROR)


class SdkRecorder:
    """Gives each span to a processor of the SDK."""

    def __init__(
        self,
        processor: SpanProcessor,
        exporter: SpanExporter,
        resource: Resource,
        knobs: TelemetryKnobs,
    ) -> None:
        self._knobs = knobs
        self._processor = processor
        self._exporter = exporter
        self._resource = resource
        self._scope = InstrumentationScope(
            "countermand",
            str(resource.attributes.get(conventions.SERVICE_VERSION, "")),
            conventions.SCHEMA_URL,
        )

    @classmethod
    def batching(
        cls, exporter: SpanExporter, resource: Resource, knobs: TelemetryKnobs
    ) -> "SdkRecorder":
        """Sends from a thread of its own, in batches, as the OTEL_BSP_ variables say."""
        queue = int(os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE") or knobs.max_queue)
        batch = int(os.environ.get("OTEL_BSP_MAX_EXPORT_BATCH_SIZE") or knobs.max_batch)
        processor = BatchSpanProcessor(
            exporter, max_queue_size=queue, max_export_batch_size=min(batch, queue)
        )
        return cls(processor, exporter, resource, knobs)

    def record(self, span: FinishedSpan) -> None:
        """Takes a span; never blocks and never fails."""
        parent = span.parent
        self._processor.on_end(
            ReadableSpan(
                name=span.name,
                context=_sdk_context(span.context),
                parent=_sdk_context(parent, span.parent_is_remote) if parent else None,
                resource=self._resource,
                attributes=span.attributes,
                links=[Link(_sdk_context(link)) for link in span.links],
                kind=SdkKind[span.kind.name],
                status=_ERROR if span.failed else _UNSET,
                start_time=span.start_ns,
                end_time=span.end_ns,
                instrumentation_scope=self._scope,
            )
        )

    def leave(self) -> None:
        """Begins to send what was taken; it does not wait."""
        # In a thread, since the processor waits for the collector. What comes is sent by its own.
        flush = self._processor.force_flush
        threading.Thread(target=flush, name="trace-flush", daemon=True).start()

    def shutdown(self, timeout: float) -> None:
        """Sends what was taken and ends, after at most about `timeout` seconds; blocks."""
        # The processor's own shutdown knows no bound below 30 s, hence a thread that may be left.
        closing = threading.Thread(target=self._processor.shutdown, name="trace-end", daemon=True)
        closing.start()
        closing.join(timeout)
        if closing.is_alive():
            # This breaks off the call under way and the waits between attempts.
            self._exporter.shutdown()
            closing.join(self._knobs.abort_timeout)


def _sdk_context(context: TraceContext, is_remote: bool = False) -> SpanContext:
    trace_id, span_id = int(context.trace_id, 16), int(context.span_id, 16)
    state = TraceState(parse_tracestate(context.state)) if context.state else None
    return SpanContext(trace_id, span_id, is_remote, _SAMPLED, state)


def service_resource(service_version: str, replica: str = "") -> Resource:
    """Returns what names this service in traces: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
    go before our own name, version and replica.
    """
    own = {
        conventions.SERVICE_NAME: "countermand",
        conventions.SERVICE_VERSION: service_version,
        **({conventions.SERVICE_INSTANCE_ID: replica} if replica else {}),
    }
    return Resource.create({**own, **OTELResourceDetector().detect().attributes})


def otlp_recorder(
    settings: TraceSettings, service_version: str, replica: str, knobs: TelemetryKnobs
) -> SdkRecorder:
    """Returns a recorder that sends as these settings and the OTEL_ variables say."""
    normalize(os.environ)
    if settings.protocol == GRPC:
        exporter: SpanExporter = OTLPSpanExporter(endpoint=settings.endpoint)
    else:
        # It appends the path of traces to an endpoint that is that of all signals.
        from opentelemetry.exporter.otlp.proto.http import trace_exporter

        exporter = trace_exporter.OTLPSpanExporter()
    return SdkRecorder.batching(exporter, service_resource(service_version, replica), knobs)
