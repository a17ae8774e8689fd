"""What was measured, for a reader and for a program: tables on stdout, a file in results/."""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.generator import Run
from benchmarks.measured import Finding, Measured

RESULTS_FOLDER = Path(__file__).with_name("results")

COLUMNS: tuple[tuple[str, str, Callable[[Run], float]], ...] = (
    ("calls/s", "{:,.0f}", lambda run: run.rate),
    ("CPU µs", "{:,.0f}", lambda run: run.server_cpu_us),
    ("p50 ms", "{:.2f}", lambda run: run.p50_ms),
    ("p99 ms", "{:.2f}", lambda run: run.p99_ms),
    ("p999 ms", "{:.2f}", lambda run: run.p999_ms),
    ("longest ms", "{:.2f}", lambda run: run.longest_ms),
    ("core", "{:.0%}", lambda run: run.server_busy),
    ("client", "{:.0%}", lambda run: run.generator_busy),
)


def row(measured: Measured) -> str:
    """Both sides of a row, medians of its rounds, and what it found."""
    lines = []
    if measured.sides:
        lines.append(" " * 26 + "".join(f"{title:>11}" for title, _, _ in COLUMNS))
        for side, runs in measured.sides.items():
            figures = (
                form.format(statistics.median(map(figure, runs))) for _, form, figure in COLUMNS
            )
            lines.append(f"{side:26}" + "".join(f"{figure:>11}" for figure in figures))
    lines += map(_found, measured.findings)
    lines += measured.notes
    return "\n".join(f"  {line}" for line in lines)


def _found(finding: Finding) -> str:
    return f"{finding.what}: {finding}; goal: {finding.goal}; {_verdict(finding)}"


def table(findings: Iterable[Finding]) -> str:
    """One line for each goal, in Markdown."""
    cells = [("what", "ours", "the other side", "figure", "goal", "")]
    cells += [
        (one.what, one.ours, one.other, str(one), str(one.goal), _verdict(one)) for one in findings
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for texts in cells:
        padded = (text.ljust(width) for text, width in zip(texts, widths, strict=True))
        lines.append(f"| {' | '.join(padded)} |")
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _verdict(finding: Finding) -> str:
    return "met" if finding.met else "MISSED"


def write(rows: Mapping[str, Measured], left_out: Mapping[str, str]) -> Path:
    """Writes everything, with the machine that it was measured on, and answers the file."""
    time = datetime.now(UTC)
    record = {
        "time": time.isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "left_out": left_out,
        "rows": {name: asdict(measured) | _verdicts(measured) for name, measured in rows.items()},
    }
    RESULTS_FOLDER.mkdir(exist_ok=True)
    file = RESULTS_FOLDER / f"{time:%Y%m%dT%H%M%SZ}.json"
    file.write_text(json.dumps(record, indent=2) + "\n")
    return file


def _verdicts(measured: Measured) -> dict[str, list[dict[str, object]]]:
    return {
        "verdicts": [
            {"what": one.what, "median": one.median, "goal": str(one.goal), "met": one.met}
            for one in measured.findings
        ]
    }
