"""`python -m benchmarks`: Countermand against its goals, in one run on one machine.

Exit status: 0 measured (whether or not a goal was met), 1 a run failed and its figures are void,
2 wrong usage, 77 nothing was measured because something that it needs is missing.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

import grpc

from benchmarks import report
from benchmarks.machine import CannotMeasureError, RunFailedError
from benchmarks.measured import Measured
from benchmarks.profile import profile
from benchmarks.revision import checked_out
from benchmarks.rows import ROWS
from benchmarks.stage import Stage

CACHE = Path(__file__).with_name(".cache")
FAILED, MISSING = 1, 77


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes the results; answers the exit status."""
    signal.signal(signal.SIGTERM, _leave)
    options = _parse(arguments)
    rows: dict[str, Measured] = {}
    left_out: dict[str, str] = {}
    try:
        with ExitStack() as stack:
            stage = _stage(options, stack)
            if options.profile:
                print(profile(stage))
                return 0
            for name in options.only:
                _measure(name, stage, rows, left_out)
    except RunFailedError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return FAILED
    except grpc.RpcError as error:
        print(f"benchmarks: the server refused: {error.code()}: {error.details()}", file=sys.stderr)
        return FAILED
    if not rows:
        return MISSING
    findings = [finding for measured in rows.values() for finding in measured.findings]
    print(f"\n{report.table(findings)}\n")
    if options.smoke:
        print("so few calls show that it works, not how fast")
    else:
        print(f"written to {os.path.relpath(report.write(rows, left_out))}")
    return 0


def _measure(name: str, stage: Stage, rows: dict[str, Measured], left_out: dict[str, str]) -> None:
    print(f"\n{name}: {ROWS[name].what}", flush=True)
    try:
        rows[name] = ROWS[name].measure(stage)
    except CannotMeasureError as error:
        left_out[name] = str(error)
        stage.say(f"left out: {error}")
        return
    print(report.row(rows[name]), flush=True)


def _stage(options: argparse.Namespace, stack: ExitStack) -> Stage:
    scratch = tempfile.TemporaryDirectory(prefix="countermand-bench-", dir=options.store_dir)
    folder = Path(stack.enter_context(scratch))
    against = checked_out(options.against, folder / "against") if options.against else None
    return Stage(
        folder=folder,
        cache=folder / "cache" if options.smoke else CACHE,
        rounds=options.rounds,
        calls=options.calls,
        smoke=options.smoke,
        stack=stack,
        against=against,
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measures Countermand against its goals.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="rows:\n" + "\n".join(f"  {name:10} {row.what}" for name, row in ROWS.items()),
    )
    parser.add_argument("--only", type=_rows, default=list(ROWS), help="rows, by comma")
    parser.add_argument("--rounds", type=_positive, default=5, help="of each side; 5")
    parser.add_argument("--calls", type=_positive, default=20_000, help="in each run; 20000")
    parser.add_argument("--smoke", action="store_true", help="a little of each: does it work?")
    parser.add_argument("--store-dir", type=Path, help="where stores lie; on a real disk")
    parser.add_argument("--against", metavar="REV", help="also measure CancelTask of a revision")
    parser.add_argument("--profile", action="store_true", help="where a CancelTask spends time")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.rounds, options.calls = 1, 300
    return options


def _rows(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in ROWS:
            raise argparse.ArgumentTypeError(f"there is no row {name}")
    return names


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _leave(_signal: int, _frame: FrameType | None) -> None:
    # As an exception, so that the servers are stopped on the way out.
    sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
