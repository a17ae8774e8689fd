"""`python -m benchmarks`: durable CancelTask against the empty RPC, in one run on one machine.

Exit status: 0 measured (whether or not a goal was met), 1 a run failed and its figures are void,
2 wrong usage, 77 nothing was measured because something that it needs is missing.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import grpc

from benchmarks import report, servers
from benchmarks.generator import ALONE, FULL, Generator, Run, Shape
from benchmarks.machine import CannotMeasureError, RunFailedError, fdatasync_ms

# More in flight than in a round, yet below the 1,000 waiting calls at which gRPC begins to refuse.
PLENTY = Shape(connections=8, streams=64)
ALONE_CALLS = 500
WARM_UP_CALLS = 500
FAILED, MISSING = 1, 77


class Floor:
    """The empty RPC, with an empty request."""

    METHOD = "/benchmarks.Floor/Empty"

    def __init__(self, server: servers.Server, generator: Generator) -> None:
        self.server = server
        self.generator = generator

    def call(self, calls: int, shape: Shape = FULL) -> Run:
        return self.generator.send(self.server, self.METHOD, [b""], repeat=calls, shape=shape)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the results; answers the exit status."""
    signal.signal(signal.SIGTERM, _leave)
    options = _parse(arguments)
    try:
        measurement = _measure(options)
    except (CannotMeasureError, RunFailedError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return MISSING if isinstance(error, CannotMeasureError) else FAILED
    except grpc.RpcError as error:
        print(f"benchmarks: the server refused: {error.code()}: {error.details()}", file=sys.stderr)
        return FAILED
    print(f"\n{report.table(measurement)}")
    print(f"\nwritten to {os.path.relpath(report.write(measurement))}")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures durable CancelTask against an empty gRPC call.",
    )
    parser.add_argument("--rounds", type=_positive, default=5, help="of each side; 5")
    parser.add_argument("--calls", type=_positive, default=20_000, help="in each run; 20000")
    parser.add_argument("--smoke", action="store_true", help="one small round: does it work?")
    parser.add_argument("--floor", action="store_true", help="measure the empty RPC only")
    parser.add_argument("--store-dir", type=Path, help="where the store lies; on a real disk")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.rounds, options.calls = 1, 300
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _leave(_signal: int, _frame: FrameType | None) -> None:
    # As an exception, so that the servers are stopped on the way out.
    sys.exit(128 + signal.SIGTERM)


def _measure(options: argparse.Namespace) -> report.Measurement:
    with ExitStack() as stack:
        scratch = tempfile.TemporaryDirectory(prefix="countermand-bench-", dir=options.store_dir)
        folder = Path(stack.enter_context(scratch))
        generator = Generator(folder)
        floor = Floor(stack.enter_context(servers.floor(folder / "floor")), generator)
        floor.call(WARM_UP_CALLS)
        ceiling = floor.call(options.calls, PLENTY)
        print(report.ceiling(ceiling), flush=True)
        if options.floor:
            return report.Measurement(ceiling, _rounds(options, floor))
        collector = stack.enter_context(servers.collector(folder / "collector"))
        server = stack.enter_context(servers.countermand(folder / "server", collector.address))
        return _compare(options, ceiling, floor, server)


def _compare(
    options: argparse.Namespace, ceiling: Run, floor: Floor, server: servers.Server
) -> report.Measurement:
    # Imported here, since the floor alone can be measured without our package.
    from benchmarks.tasks import RunningTasks

    alone_calls = min(ALONE_CALLS, options.calls)
    count = WARM_UP_CALLS + options.rounds * options.calls + alone_calls
    print(f"preparing {count:,} running tasks", flush=True)
    tasks = RunningTasks(server, floor.generator, count)
    tasks.cancel(WARM_UP_CALLS)
    rounds = _rounds(options, floor, tasks.cancel)
    alone = report.Alone(
        floor=floor.call(alone_calls, ALONE),
        cancel=tasks.cancel(alone_calls, ALONE),
        fdatasync_ms=fdatasync_ms(server.folder),
    )
    return report.Measurement(ceiling, rounds, alone)


def _rounds(
    options: argparse.Namespace, floor: Floor, cancel: Callable[[int], Run] | None = None
) -> list[report.Round]:
    """Alternates, so that whatever else the machine does meets both sides alike."""
    rounds = []
    for number in range(1, options.rounds + 1):
        empty = floor.call(options.calls)
        rounds.append(report.Round(empty, cancel(options.calls) if cancel else None))
        print(report.one_round(number, rounds[-1]), flush=True)
    return rounds


if __name__ == "__main__":
    sys.exit(main())
