"""Durable CancelTask against what else one might put there: etcd, a2a-sdk, Temporal.

Each is measured with the number of calls in flight with which it is fastest; ours with its own 256.
"""

import itertools
import uuid
from collections.abc import Callable

from benchmarks import peers
from benchmarks.generator import FULL, Run, Shape
from benchmarks.measured import Finding, Measured, at_least, rate, ratios
from benchmarks.peers import message
from benchmarks.servers import Server
from benchmarks.stage import WARM_UP_CALLS, Stage
from benchmarks.tasks import RunningTasks

OURS = "CancelTask"
ETCD_PUT = "/etcdserverpb.KV/Put"
A2A_CANCEL = "/lf.a2a.v1.A2AService/CancelTask"
A2A_SHAPE = Shape(connections=2, streams=2)
TEMPORAL = "/temporal.api.workflowservice.v1.WorkflowService"
TEMPORAL_SHAPE = Shape(connections=4, streams=16)
NAMESPACE = b"default"


def measure_etcd(stage: Stage) -> Measured:
    """etcd's Put of distinct keys, synced: the barest durable write over gRPC."""
    keys = itertools.count()

    def put(server: Server, calls: int) -> Run:
        bodies = (
            message((1, b"key-%d" % number), (2, b"CANCELLING"))
            for number in itertools.islice(keys, calls)
        )
        return stage.generator.send(server, ETCD_PUT, bodies)

    with peers.etcd(stage.new_folder()) as server:
        put(server, WARM_UP_CALLS)
        return _against(stage, "etcd's Put", lambda: put(server, stage.calls), 0.35)


def measure_a2a(stage: Stage) -> Measured:
    """a2a-sdk's CancelTask of distinct tasks, each of which it writes to SQLite and syncs."""
    calls, warm_up = stage.size(500, 50), stage.size(100, 10)
    numbers = itertools.count()

    def cancel(server: Server, calls: int) -> Run:
        bodies = (message((2, b"task-%d" % n)) for n in itertools.islice(numbers, calls))
        return stage.generator.send(server, A2A_CANCEL, bodies, shape=A2A_SHAPE)

    with peers.a2a(stage.new_folder(), warm_up + stage.rounds * calls) as server:
        cancel(server, warm_up)
        return _against(stage, "a2a-sdk's CancelTask", lambda: cancel(server, calls), 20)


def measure_temporal(stage: Stage) -> Measured:
    """A cancel of distinct running workflows, asked for by Temporal's own RPC."""
    calls, warm_up = stage.size(500, 20), stage.size(100, 10)
    with peers.temporal(stage.new_folder()) as server:
        ids = [uuid.uuid4().hex.encode() for _ in range(warm_up + stage.rounds * calls)]
        stage.say(f"starting {len(ids):,} workflows")
        starts = map(_start_request, ids)
        method = f"{TEMPORAL}/StartWorkflowExecution"
        stage.generator.send(server, method, starts, shape=TEMPORAL_SHAPE)
        cancels = map(_cancel_request, ids)

        def cancel(calls: int) -> Run:
            method = f"{TEMPORAL}/RequestCancelWorkflowExecution"
            bodies = itertools.islice(cancels, calls)
            return stage.generator.send(server, method, bodies, shape=TEMPORAL_SHAPE)

        cancel(warm_up)
        return _against(stage, "Temporal's cancel", lambda: cancel(calls), 20)


def _start_request(workflow_id: bytes) -> bytes:
    return message(
        (1, NAMESPACE),
        (2, workflow_id),
        (3, message((1, b"Purchase"))),
        (4, message((1, b"nobody"))),
        (10, workflow_id),
    )


def _cancel_request(workflow_id: bytes) -> bytes:
    return message((1, NAMESPACE), (2, message((1, workflow_id))), (4, uuid.uuid4().hex.encode()))


def _against(stage: Stage, name: str, other: Callable[[], Run], bound: float) -> Measured:
    tasks = RunningTasks.start(
        stage.server, stage.generator, WARM_UP_CALLS + stage.rounds * stage.calls
    )
    tasks.cancel(WARM_UP_CALLS)
    runs = stage.alternate({name: other, OURS: lambda: tasks.cancel(stage.calls, FULL)})
    finding = Finding(
        f"{OURS}, throughput against {name}",
        rate(runs[OURS]),
        rate(runs[name]),
        ratios(runs[OURS], runs[name], "rate"),
        at_least(bound, "{:.2f}" if bound < 1 else "{:.0f} times"),
    )
    return Measured([finding], runs)
