"""CancelTask on one, two and three servers that share one PostgreSQL, of one tenant and of ten."""

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc

from benchmarks.generator import Generator, Run, Shape
from benchmarks.measured import Finding, Measured, at_least, rate, ratios
from benchmarks.servers import Server
from benchmarks.stage import WARM_UP_CALLS, Stage
from benchmarks.tasks import RunningTasks
from countermand.v1 import key_service_pb2, key_service_pb2_grpc

SERVERS, TENANTS = 3, 10
ONE = Shape(connections=4, streams=64)
"""256 calls in flight on each server: more servers have more callers, too."""
OF_TEN = Shape(connections=1, streams=64)
"""Of each tenant, whichever server has it."""
SCOPES = ("tasks:read", "tasks:write", "tasks:run", "tasks:cancel")


class Load:
    """The running tasks of one tenant, cancelled on one server."""

    def __init__(
        self, stage: Stage, server: Server, key: str, calls: int, warm_up: int, shape: Shape
    ) -> None:
        self._shape = shape
        place = copy.copy(server)
        place.metadata = (("x-api-key", key),)
        # Each has a folder of its own: they send at the same time.
        folder = stage.new_folder()
        folder.mkdir()
        count = warm_up + stage.rounds * calls
        self._tasks = RunningTasks.start(place, Generator(folder), count)
        self._tasks.cancel(warm_up)

    def cancel(self, calls: int) -> Run:
        return self._tasks.cancel(calls, self._shape)


def measure(stage: Stage) -> Measured:
    """In turns: one server, two and three with one tenant, and then with ten."""
    store = stage.new_database()
    with ExitStack() as stack:
        first = stack.enter_context(stage.another(store=store))
        keys = [first.metadata[0][1], *_keys(first, TENANTS - 1)]
        # They start once the keys are made, and so know them.
        servers = [first]
        for _ in range(1, SERVERS):
            servers.append(stack.enter_context(stage.another(store=store, key=keys[0])))
        sides: dict[str, Callable[[], Run]] = {}
        for number in range(1, SERVERS + 1):
            of_one = [(server, keys[0]) for server in servers[:number]]
            of_ten = [(servers[at % number], key) for at, key in enumerate(keys)]
            sides[_name(number, 1)] = _together(stage, of_one, ONE)
            sides[_name(number, TENANTS)] = _together(stage, of_ten, OF_TEN)
        runs = stage.alternate(sides)
    findings = [
        Finding(
            f"CancelTask, {_name(SERVERS, tenants)}, throughput against one",
            rate(runs[_name(SERVERS, tenants)]),
            rate(runs[_name(1, tenants)]),
            ratios(runs[_name(SERVERS, tenants)], runs[_name(1, tenants)], "rate"),
            at_least(goal),
        )
        for tenants, goal in ((1, 0.8), (TENANTS, 0.7))
    ]
    return Measured(findings, runs)


def _name(servers: int, tenants: int) -> str:
    return f"{servers} server{'s' * (servers > 1)}, {tenants} tenant{'s' * (tenants > 1)}"


def _keys(server: Server, count: int) -> list[str]:
    """Makes so many tenants."""
    with grpc.insecure_channel(server.address) as channel:
        stub = key_service_pb2_grpc.KeyServiceStub(channel)
        made = [
            stub.CreateKey(
                key_service_pb2.CreateKeyRequest(
                    tenant=f"tenant-{number}", environment="sandbox", scopes=SCOPES
                ),
                metadata=server.metadata,
                timeout=10,
            )
            for number in range(count)
        ]
    return [one.secret for one in made]


def _together(stage: Stage, parts: Sequence[tuple[Server, str]], shape: Shape) -> Callable[[], Run]:
    """Prepares what is cancelled on each of these servers, for all at once to be measured."""
    calls = stage.calls // len(parts)
    warm_up = stage.size(WARM_UP_CALLS // len(parts), 10)
    stage.say(f"preparing {len(parts)} times {warm_up + stage.rounds * calls:,} running tasks")
    loads = [Load(stage, server, key, calls, warm_up, shape) for server, key in parts]

    servers = {server.port: server for server, _ in parts}.values()

    def run() -> Run:
        before = sum(server.cpu_seconds() for server in servers)
        with ThreadPoolExecutor(len(loads)) as pool:
            runs = list(pool.map(lambda load: load.cancel(calls), loads))
        return _sum(runs, sum(server.cpu_seconds() for server in servers) - before)

    return run


def _sum(runs: Sequence[Run], server_cpu: float) -> Run:
    """One run of them all: as long as the longest, and as slow as the slowest."""
    calls, seconds = sum(run.calls for run in runs), max(run.seconds for run in runs)
    return Run(
        calls=calls,
        refused=sum(run.refused for run in runs),
        seconds=seconds,
        rate=calls / seconds,
        p50_ms=max(run.p50_ms for run in runs),
        p99_ms=max(run.p99_ms for run in runs),
        p999_ms=max(run.p999_ms for run in runs),
        longest_ms=max(run.longest_ms for run in runs),
        server_cpu_us=server_cpu / calls * 1e6,
        server_busy=server_cpu / seconds,
        generator_cpu_us=sum(run.generator_cpu_us * run.calls for run in runs) / calls,
        generator_busy=sum(run.generator_busy * run.seconds for run in runs) / seconds,
    )
