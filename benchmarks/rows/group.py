"""CancelGroup of 10,000 running tasks: its cost, and what its neighbours wait."""

import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import grpc

from benchmarks.generator import LIGHT, Run
from benchmarks.machine import RunFailedError
from benchmarks.measured import Finding, Measured, at_most, cpu
from benchmarks.servers import Server
from benchmarks.stage import Stage
from benchmarks.tasks import (
    HOUR,
    RunningTasks,
    create_group,
    group_request,
    send_group,
    start,
)
from countermand.v1 import cancellation_service_pb2, cancellation_service_pb2_grpc

Result = TypeVar("Result")

# Few, so that one in a hundred of them meets the group.
NEIGHBOURS = 400
ANSWER_MOST = ("grpc.max_receive_message_length", 64 * 1024 * 1024)
LABELS = {f"k{number:02}": "value" for number in range(16)}
"""As many as a task may have."""
ALONE, CANCELLED, LABELLED, CREATED = (
    "cancels alone",
    "beside a cancel",
    "beside a cancel with labels",
    "beside a creation with labels",
)


def measure(stage: Stage) -> Measured:
    """Cancels a group by itself, for its CPU, and others beside single cancels of other tasks: one
    that runs, and one that nobody started and whose tasks have all labels that they may."""
    size = stage.size(10_000, 500)
    server = stage.server
    neighbours = RunningTasks.start(server, stage.generator, 4 * stage.rounds * NEIGHBOURS)
    costs: list[float] = []
    floor: list[Run] = []
    runs: dict[str, list[Run]] = {ALONE: [], CANCELLED: [], CREATED: [], LABELLED: []}

    def beside(name: str, work: Callable[[], Result]) -> Result:
        with ThreadPoolExecutor(1) as pool:
            working = pool.submit(work)
            runs[name].append(neighbours.cancel(NEIGHBOURS, LIGHT))
            return working.result()

    for number in range(stage.rounds):
        floor.append(stage.empty(stage.calls))
        costs.append(_cpu_us_each(server, _running_group(stage, size), size))
        runs[ALONE].append(neighbours.cancel(NEIGHBOURS, LIGHT))
        running = _running_group(stage, size)
        beside(CANCELLED, partial(_cancel_group, server, running, size))
        labelled = beside(CREATED, partial(send_group, server, group_request(size, LABELS)))
        beside(LABELLED, partial(_cancel_group, server, labelled, size))
        waits = ", ".join(f"{name} {found[-1].longest_ms:.0f} ms" for name, found in runs.items())
        stage.say(f"round {number + 1}: {costs[-1]:.1f} µs a task; longest waits: {waits}")
    cost = Finding(
        f"CancelGroup of {size:,}, server CPU a task against an empty RPC",
        f"{statistics.median(costs):.1f} µs",
        cpu(floor),
        [cost / run.server_cpu_us for cost, run in zip(costs, floor, strict=True)],
        at_most(0.4),
    )
    p99 = _waits("p99", CANCELLED, size, runs, 300)
    longest = [_waits("longest", name, size, runs, 600) for name in (CANCELLED, CREATED, LABELLED)]
    return Measured([cost, p99, *longest], {"empty RPC": floor, **runs})


def _waits(name: str, beside: str, size: int, runs: dict[str, list[Run]], bound: float) -> Finding:
    found, alone = ([getattr(run, f"{name}_ms") for run in runs[of]] for of in (beside, ALONE))
    return Finding(
        f"others {beside} of {size:,} tasks, {name}",
        f"{statistics.median(found):.0f} ms",
        f"{statistics.median(alone):.0f} ms alone",
        found,
        at_most(bound, "{:.0f} ms"),
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
