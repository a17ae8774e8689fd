"""The table at the end of a round of chaos."""

from types import SimpleNamespace

from tests.support.chaos_table import ROW, rows_of, table


def report(when: str, *rows: tuple) -> SimpleNamespace:
    """A report of pytest with these rows in its properties, and one that is none of ours."""
    return SimpleNamespace(
        when=when, user_properties=[("other", 1), *((ROW, list(row)) for row in rows)]
    )


def test_rows_of_one_fault_are_added_up_and_each_counts_once():
    reports = [
        report("call", ("kill -9", 1, 700, 40, 0)),
        report("teardown", ("kill -9", 1, 700, 40, 0)),
        report("teardown", ("kill -9", 1, 800, 50, 1), ("freeze", 2, 1, 2, 0)),
        SimpleNamespace(when="collect"),
        "a warning",
    ]
    assert rows_of(reports) == [("freeze", 2, 1, 2, 0), ("kill -9", 2, 1500, 90, 1)]


def test_the_table_ends_with_sums():
    lines = table([("freeze", 2, 1, 2, 0), ("kill -9", 2, 1500, 90, 1)])
    assert [line.split() for line in lines] == [
        ["fault", "runs", "operations", "watch", "messages", "violations"],
        ["freeze", "2", "1", "2", "0"],
        ["kill", "-9", "2", "1,500", "90", "1"],
        ["all", "4", "1,501", "92", "1"],
    ]
    assert len({len(line) for line in lines}) == 1
