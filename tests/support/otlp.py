"""A real OTLP collector: a server of gRPC or of HTTP that keeps what is sent to it."""

import asyncio
import gzip
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.common.v1 import common_pb2
from opentelemetry.proto.metrics.v1 import metrics_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

Spans = Sequence["CollectedSpan"]


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it came over the wire; ids are hexadecimal, times are nanoseconds."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    state: str
    """The tracestate."""
    kind: str
    """Such as `SERVER`."""
    status: str
    """`UNSET`, `OK` or `ERROR`."""
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    links: Sequence[tuple[str, str]]
    """Trace id and span id of each."""
    resource: Mapping[str, Any]
    scope: str
    """Name and version of what made the span."""
    schema_url: str


class Collector:
    """Keeps what is sent. The server runs in threads of its own, so that a sender may block the
    event loop of the test without waiting for itself."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.endpoint = ""
        self.metadata: list[Mapping[str, str]] = []
        """The metadata of each export."""
        self.metrics: list[metrics_pb2.ResourceMetrics] = []
        """All that was exported of metrics, in order."""
        self._spans: list[CollectedSpan] = []
        self._loop = loop
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def spans(self) -> list[CollectedSpan]:
        """What has arrived until now, in order."""
        return list(self._spans)

    def named(self, name: str) -> list[CollectedSpan]:
        """Those of this name that have arrived until now."""
        return [span for span in self.spans if span.name == name]

    async def wait_for(self, predicate: Callable[[Spans], bool], timeout: float = 10) -> Spans:
        """Returns all spans as soon as they satisfy the predicate.

        Fails with AssertionError, which tells what has arrived, after `timeout` seconds.
        """
        try:
            async with asyncio.timeout(timeout):
                while not predicate(self.spans):
                    await self._next_export()
        except TimeoutError:
            names = [span.name for span in self.spans]
            raise AssertionError(f"in {timeout} s only these spans came: {names}") from None
        return self.spans

    async def next_metrics(self, timeout: float = 20) -> metrics_pb2.ResourceMetrics:
        """Returns the next metrics that come."""
        count = len(self.metrics)
        async with asyncio.timeout(timeout):
            while len(self.metrics) == count:
                await self._next_export()
        return self.metrics[-1]

    async def _next_export(self) -> None:
        # No export is missed between the look at the spans and this: what an export schedules
        # runs on this loop, and only when this coroutine waits.
        waiting = self._loop.create_future()
        self._waiting.add(waiting)
        try:
            await waiting
        finally:
            self._waiting.discard(waiting)

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def take_spans(self, request: Any, metadata: Mapping[str, str]) -> Any:
        """Answers an export of spans; it may come from any thread."""
        self.metadata.append(metadata)
        for group in request.resource_spans:
            for scoped in group.scope_spans:
                self._spans += [_collected(span, scoped, group) for span in scoped.spans]
        self._loop.call_soon_threadsafe(self._wake)
        return trace_service_pb2.ExportTraceServiceResponse()

    def take_metrics(self, request: Any, metadata: Mapping[str, str]) -> Any:
        """Answers an export of metrics; it may come from any thread."""
        self.metadata.append(metadata)
        self.metrics += request.resource_metrics
        self._loop.call_soon_threadsafe(self._wake)
        return metrics_service_pb2.ExportMetricsServiceResponse()


class _Exported:
    """The one method of a service."""

    def __init__(self, take: Callable[[Any, Mapping[str, str]], Any]) -> None:
        self._take = take

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:
        metadata = {str(key): str(value) for key, value in context.invocation_metadata()}
        return self._take(request, metadata)


def _collected(
    span: trace_pb2.Span, scoped: trace_pb2.ScopeSpans, group: trace_pb2.ResourceSpans
) -> CollectedSpan:
    return CollectedSpan(
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        state=span.trace_state,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        status=trace_pb2.Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=_plain(span.attributes),
        links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
        resource=_plain(group.resource.attributes),
        scope=f"{scoped.scope.name} {scoped.scope.version}",
        schema_url=scoped.schema_url,
    )


def _plain(pairs: Sequence[common_pb2.KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: common_pb2.AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


@asynccontextmanager
async def otlp_collector() -> AsyncIterator[Collector]:
    """Serves a collector on a free port of the loopback, until the block ends."""
    collector = Collector(asyncio.get_running_loop())
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(
        _Exported(collector.take_spans), server
    )
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(
        _Exported(collector.take_metrics), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    collector.endpoint = f"http://127.0.0.1:{port}"
    server.start()
    try:
        yield collector
    finally:
        await asyncio.to_thread(server.stop(grace=None).wait)


@asynccontextmanager
async def http_collector() -> AsyncIterator[Collector]:
    """Serves a collector of OTLP over HTTP, in protobuf, until the block ends."""
    collector = Collector(asyncio.get_running_loop())
    takes = {
        "/v1/traces": (trace_service_pb2.ExportTraceServiceRequest, collector.take_spans),
        "/v1/metrics": (metrics_service_pb2.ExportMetricsServiceRequest, collector.take_metrics),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.headers["Content-Type"] == "application/x-protobuf"
            message, take = takes[self.path]
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = take(message.FromString(body), headers).SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join()


def numbers(metrics: metrics_pb2.ResourceMetrics) -> dict[str, float]:
    """What was exported, in one line each: a sum, a gauge, or how many a histogram has."""
    found: dict[str, float] = {}
    for scope in metrics.scope_metrics:
        for metric in scope.metrics:
            kind = metric.WhichOneof("data")
            for point in getattr(metric, kind).data_points:
                labels = ",".join(f"{k}={v}" for k, v in sorted(_plain(point.attributes).items()))
                name = f"{metric.name}{{{labels}}}" if labels else metric.name
                assert name not in found
                found[name] = point.count if kind == "histogram" else point.as_double
    return found
