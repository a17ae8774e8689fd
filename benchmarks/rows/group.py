"""CancelGroup of 10,000 running tasks: its cost, and what its neighbours wait."""

import statistics
from concurrent.futures import ThreadPoolExecutor

import grpc

from benchmarks.generator import LIGHT
from benchmarks.machine import RunFailedError
from benchmarks.measured import Finding, Measured, at_most, cpu
from benchmarks.servers import Server
from benchmarks.stage import Stage
from benchmarks.tasks import HOUR, RunningTasks, create_group, start
from countermand.v1 import cancellation_service_pb2, cancellation_service_pb2_grpc

# Few, so that one in a hundred of them meets the group.
NEIGHBOURS = 400
ANSWER_MOST = ("grpc.max_receive_message_length", 64 * 1024 * 1024)


def measure(stage: Stage) -> Measured:
    """Cancels a group by itself, for its CPU, and another beside single cancels of other tasks."""
    size = stage.size(10_000, 500)
    server = stage.server
    neighbours = RunningTasks.start(server, stage.generator, 2 * stage.rounds * NEIGHBOURS)
    costs, runs = [], {"cancels alone": [], "cancels beside a group": []}
    floor = []
    for number in range(stage.rounds):
        floor.append(stage.empty(stage.calls))
        costs.append(_cpu_us_each(server, _running_group(stage, size), size))
        runs["cancels alone"].append(neighbours.cancel(NEIGHBOURS, LIGHT))
        group_id = _running_group(stage, size)
        with ThreadPoolExecutor(1) as pool:
            cancelling = pool.submit(_cancel_group, server, group_id, size)
            runs["cancels beside a group"].append(neighbours.cancel(NEIGHBOURS, LIGHT))
            cancelling.result()
        p99 = runs["cancels beside a group"][-1].p99_ms
        stage.say(f"round {number + 1}: {costs[-1]:.1f} µs a task, neighbours' p99 {p99:.0f} ms")
    alone = statistics.median(run.p99_ms for run in runs["cancels alone"])
    beside = [run.p99_ms for run in runs["cancels beside a group"]]
    return Measured(
        [
            Finding(
                f"CancelGroup of {size:,}, server CPU a task against an empty RPC",
                f"{statistics.median(costs):.1f} µs",
                cpu(floor),
                [cost / run.server_cpu_us for cost, run in zip(costs, floor, strict=True)],
                at_most(0.4),
            ),
            Finding(
                "other cancels meanwhile, p99",
                f"{statistics.median(beside):.0f} ms",
                f"{alone:.0f} ms without",
                beside,
                at_most(500, "{:.0f} ms"),
            ),
        ],
        {"empty RPC": floor, **runs},
    )


def _running_group(stage: Stage, size: int) -> str:
    group_id, ids = create_group(stage.server, size)
    start(stage.server, stage.generator, ids)
    return group_id


def _cpu_us_each(server: Server, group_id: str, size: int) -> float:
    before = server.cpu_seconds()
    _cancel_group(server, group_id, size)
    return (server.cpu_seconds() - before) / size * 1e6


def _cancel_group(server: Server, group_id: str, size: int) -> None:
    """Cancels a group, and sees that the answer covers all of it."""
    request = cancellation_service_pb2.CancelGroupRequest(group_id=group_id, grace_period=HOUR)
    with grpc.insecure_channel(server.address, [ANSWER_MOST]) as channel:
        stub = cancellation_service_pb2_grpc.CancellationServiceStub(channel)
        answer = stub.CancelGroup(request, metadata=server.metadata, timeout=60)
    if len(answer.cancellation.results) != size:
        raise RunFailedError(f"a group of {size} has {len(answer.cancellation.results)} results")
