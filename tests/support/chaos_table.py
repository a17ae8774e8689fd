"""The table that ends a round of chaos: what was done, how often, and what broke."""

from collections import defaultdict
from collections.abc import Iterable

ROW = "chaos_row"
"""The property of a test under which its rows travel."""
HEADER = ("fault", "runs", "operations", "watch messages", "violations")

Row = tuple[str, int, int, int, int]


def rows_of(reports: Iterable[object]) -> list[Row]:
    """Returns the rows in the reports of pytest, those of one fault added up."""
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for report in reports:
        if getattr(report, "when", "") != "teardown":
            continue  # the properties stand in every report of a test; the last has all
        for name, row in report.user_properties:
            if name == ROW:
                fault, *counts = row
                sums[fault] = [a + b for a, b in zip(sums[fault], counts, strict=True)]
    return [(fault, *counts) for fault, counts in sorted(sums.items())]


def table(rows: Iterable[Row]) -> list[str]:
    """Returns the lines of the table, the last of which sums up."""
    rows = list(rows)
    total = ("all", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))
    cells = [HEADER, *((fault, *(f"{n:,}" for n in counts)) for fault, *counts in (*rows, total))]
    first, *others = (max(map(len, column)) for column in zip(*cells, strict=True))
    return [
        "  ".join(
            (fault.ljust(first), *(n.rjust(width) for n, width in zip(line, others, strict=True)))
        )
        for fault, *line in cells
    ]
