"""How soon watchers are told: one of them after the commit, and 10,000 of the same task."""

import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import grpc
from google.protobuf.duration_pb2 import Duration

from benchmarks.commits import collecting
from benchmarks.measured import Finding, Measured, at_most
from benchmarks.servers import Server
from benchmarks.stage import Stage
from benchmarks.tasks import CANCEL_TASK, RunningTasks, cancel_request
from benchmarks.watching import Watchers, watching
from countermand.v1 import cancellation_service_pb2

WATCH_TASK = "/countermand.v1.CancellationService/WatchTask"
BARE_WATCH = "/benchmarks.Floor/Watch"
BARE_TELL = "/benchmarks.Floor/Tell"
HOUR, STEP = 3600, 15
"""Seconds to the first deadline, and by how much each is nearer: more than a change takes."""
TEN_MINUTES = Duration(seconds=600)


def watch_request(task_id: str) -> bytes:
    """Answers a watch whose heartbeats do not come into the measurement."""
    return cancellation_service_pb2.WatchTaskRequest(
        task_id=task_id, heartbeat_interval=TEN_MINUTES
    ).SerializeToString()


def measure_one(stage: Stage) -> Measured:
    """From the end of a commit, by the server's own span of it, to the watcher's socket.

    Each change is a cancel that brings the deadline nearer, one at a time. Every one is sampled.
    """
    changes = stage.size(200, 20)
    with (
        collecting() as commits,
        stage.another(collector=commits.address, spans_every_ms=500) as server,
    ):
        (task_id,) = RunningTasks.start(server, stage.generator, 1).take(1)
        traces, told = [uuid.uuid4() for _ in range(changes)], []
        with (
            _watch(stage, server, WATCH_TASK, watch_request(task_id), 1) as watchers,
            _calls(server) as call,
        ):
            for number, trace in enumerate(traces):
                call(CANCEL_TASK, _nearer(task_id, number), trace)
                told.append(watchers.told().last_ns)
        ends = commits.ends([trace.bytes for trace in traces])
    delays = sorted((last - end) / 1e6 for last, end in zip(told, ends, strict=True))
    p50, p99 = statistics.median(delays), delays[int(len(delays) * 0.99)]
    finding = Finding(
        "commit to one watcher, p50",
        f"{p50:.2f} ms (p99 {p99:.2f})",
        "",
        [p50],
        at_most(0.2, "{:.2f} ms"),
    )
    return Measured([finding], figures={"delays_ms": delays})


def measure_many(stage: Stage) -> Measured:
    """From the call that changes a task to the last of its watchers, against a bare broadcast.

    Both send a message of the same length to as many streams. Ours holds the commit, too.
    """
    count = stage.size(10_000, 500)
    with stage.another() as server:
        (task_id,) = RunningTasks.start(server, stage.generator, 1).take(1)
        ours, bare = [], []
        with (
            _watch(stage, server, WATCH_TASK, watch_request(task_id), count) as our_watchers,
            _watch(stage, stage.floor, BARE_WATCH, b"", count) as bare_watchers,
            _calls(server) as call,
            _calls(stage.floor) as call_bare,
        ):
            for number in range(stage.rounds):
                started = time.time_ns()
                answer = call(CANCEL_TASK, _nearer(task_id, number))
                ours.append((our_watchers.told().last_ns - started) / 1e6)
                message = cancellation_service_pb2.CancelTaskResponse.FromString(answer).task
                started = time.time_ns()
                call_bare(BARE_TELL, message.SerializeToString())
                bare.append((bare_watchers.told().last_ns - started) / 1e6)
                stage.say(f"round {number + 1}: bare {bare[-1]:,.0f} ms, ours {ours[-1]:,.0f} ms")
    finding = Finding(
        f"{count:,} watchers of one task, last told, against a bare broadcast",
        f"{statistics.median(ours):,.0f} ms",
        f"{statistics.median(bare):,.0f} ms",
        [our / floor for our, floor in zip(ours, bare, strict=True)],
        at_most(1),
    )
    return Measured([finding], figures={"ours_ms": ours, "bare_ms": bare})


def _nearer(task_id: str, number: int) -> bytes:
    """Answers a cancel with a nearer deadline than those before it."""
    return cancel_request(task_id, Duration(seconds=HOUR - number * STEP), repeatable=False)


def _watch(
    stage: Stage, server: Server, method: str, request: bytes, count: int
) -> AbstractContextManager[Watchers]:
    return watching(server, method, [request], count, stage.new_folder())


@contextmanager
def _calls(server: Server) -> Iterator[Callable[..., bytes]]:
    """Gives a function that calls a method with bytes, in a trace of the caller's."""
    with grpc.insecure_channel(server.address) as channel:

        def call(method: str, request: bytes, trace: uuid.UUID | None = None) -> bytes:
            metadata = server.metadata
            if trace is not None:
                parent = f"00-{trace.hex}-{trace.hex[:16]}-01"
                metadata = (*metadata, ("traceparent", parent))
            answer: bytes = channel.unary_unary(method)(request, metadata=metadata, timeout=30)
            return answer

        yield call
