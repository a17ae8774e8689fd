"""What each thing that the server does for a cancel costs: servers without one, in turns."""

import sys
from contextlib import ExitStack
from pathlib import Path

from benchmarks import server_without
from benchmarks.generator import Run
from benchmarks.measured import Finding, Measured, at_most, cpu
from benchmarks.stage import WARM_UP_CALLS, Stage
from benchmarks.tasks import RunningTasks

WITHOUT = Path(server_without.__file__)
WHOLE = "all"
SHARE = 0.05
"""Of the CPU of a cancel: what one of them may cost."""


def measure(stage: Stage) -> Measured:
    """Alternates a whole server and one without each part, with 256 calls in flight."""
    calls = min(stage.calls, 5000)
    with ExitStack() as stack:
        sides = {}
        for part in list(server_without.PARTS)[: stage.size(len(server_without.PARTS), 2)]:
            program = (sys.executable, str(WITHOUT), part)
            server = stack.enter_context(stage.another(program=program))
            stage.say(f"preparing running tasks without {part}" if part != WHOLE else "preparing")
            count = WARM_UP_CALLS + stage.rounds * calls
            tasks = RunningTasks.start(server, stage.generator, count)
            tasks.cancel(WARM_UP_CALLS)
            sides[part] = lambda tasks=tasks: tasks.cancel(calls)
        runs: dict[str, list[Run]] = stage.alternate(sides)
    findings = [
        Finding(
            f"share of {part} in the server CPU of a cancel",
            cpu(runs[WHOLE]),
            f"{cpu(runs[part])} without",
            [
                1 - without.server_cpu_us / whole.server_cpu_us
                for whole, without in zip(runs[WHOLE], runs[part], strict=True)
            ],
            at_most(SHARE),
        )
        for part in runs
        if part != WHOLE
    ]
    return Measured(findings, {f"without {part}": of_one for part, of_one in runs.items()})
