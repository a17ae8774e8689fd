"""When commits ended, as the server's own spans say."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from benchmarks.machine import RunFailedError

COMMIT_SPAN = "countermand.commit"
SECONDS = 30


class Commits:
    """A collector of spans that keeps when the commits ended, by the traces in them."""

    def __init__(self) -> None:
        self.address = ""
        self._ends: dict[bytes, int] = {}
        self._news = threading.Condition()

    def ends(self, trace_ids: list[bytes]) -> list[int]:
        """Waits for the commits of these traces, and answers their ends, in Unix nanoseconds."""
        with self._news:
            if not self._news.wait_for(lambda: self._ends.keys() >= {*trace_ids}, SECONDS):
                raise RunFailedError(f"after {SECONDS} s spans of commits are missing")
            return [self._ends[trace_id] for trace_id in trace_ids]

    def take(self, request: bytes, _context: grpc.ServicerContext) -> bytes:
        """Answers an export."""
        export = trace_service_pb2.ExportTraceServiceRequest.FromString(request)
        with self._news:
            for resource in export.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        if span.name == COMMIT_SPAN:
                            for link in span.links:
                                self._ends[link.trace_id] = span.end_time_unix_nano
            self._news.notify_all()
        return b""


_IGNORING = grpc.unary_unary_rpc_method_handler(lambda _request, _context: b"")
"""Metrics come, too."""


class _EveryMethod(grpc.GenericRpcHandler):
    def __init__(self, commits: Commits) -> None:
        self._handler = grpc.unary_unary_rpc_method_handler(commits.take)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return self._handler if "Trace" in handler_call_details.method else _IGNORING


@contextmanager
def collecting() -> Iterator[Commits]:
    """Serves a collector on a free loopback port."""
    commits = Commits()
    server = grpc.server(ThreadPoolExecutor(1), handlers=(_EveryMethod(commits),))
    commits.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield commits
    finally:
        server.stop(None).wait()
