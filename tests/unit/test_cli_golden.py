"""What commands print, on terminals of 60 and of 200 columns, on a pipe, without colour, and on a
dumb terminal: a file for each, to be looked at.

`COUNTERMAND_GOLDEN=write python -m pytest tests/unit/test_cli_golden.py` writes them anew.
"""

import os
import re
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from rich.cells import cell_len

from countermand.cli.list_cancellations import _COLUMNS as CANCELLATIONS
from countermand.cli.list_cancellations import _cells as cancellation_cells
from countermand.cli.list_running import _AGENTS, _WATCHES, agent_cells, watch_cells
from countermand.cli.listing import _COLUMNS, _COLUMNS_OF_TENANTS
from countermand.cli.listing import _cells as task_cells
from countermand.cli.output import show, show_facts
from countermand.cli.rows import Rows
from countermand.cli.status import about_status, show_refusals
from countermand.cli.watch import line
from countermand.v1.cancellation_pb2 import Cancellation
from countermand.v1.operator_service_pb2 import Agent, OpenWatch, OperatorTask, ServerStatus
from countermand.v1.task_pb2 import Task

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
MODES = {
    "60-columns": {"COLUMNS": "60"},
    "80-columns": {"COLUMNS": "80"},
    "200-columns": {"COLUMNS": "200"},
    "pipe": {},
    "no-colour": {"COLUMNS": "80", "NO_COLOR": "1"},
    "dumb-terminal": {"COLUMNS": "60", "TERM": "dumb"},
}

TASKS = [
    {
        "task_id": f"0190a5c0-0000-7000-8000-00000000000{number}",
        "state": f"TASK_STATE_{state}",
        "version": "3",
        "charge_state": "CHARGE_STATE_CAPTURED",
        "refund_state": f"REFUND_STATE_{refund}",
        "merchant": merchant,
        "update_time": "2026-11-27T02:59:58.125Z",
        **more,
    }
    for number, state, refund, merchant, more in (
        (1, "RUNNING", "NONE", "Oolong & Söhne", {}),
        (2, "CANCELLING", "NONE", "茶葉店 東京", {"deadline_time": "2026-11-27T03:00:28.5Z"}),
        (
            3,
            "CANCELLED",
            "REQUIRED",
            "a merchant with a name of many words",
            {"end_time": "2026-11-27T02:59:30Z", "cancel_proof": "CANCEL_PROOF_FORCED"},
        ),
    )
]
STATUS = {
    "version": "0.1.0",
    "start_time": "2026-11-23T22:41:07.250Z",
    "schema": 16,
    "store_kind": "sqlite",
    "store_bytes": "7340032",
    "wal_bytes": "4194304",
    "task_counts": [
        {"state": "TASK_STATE_RUNNING", "count": "12"},
        {"state": "TASK_STATE_CANCELLING", "count": "3"},
        {"state": "TASK_STATE_COMPLETED", "count": "20941"},
    ],
    "task_count_time": "2026-11-27T02:59:59Z",
    "live_agents": "4",
    "open_watches": "17210",
    "max_open_watches": "20000",
    "overdue_count": "2",
    "oldest_overdue_time": "2026-11-27T02:58:55Z",
    "last_commit_duration": "0.0014s",
    "last_commit_time": "2026-11-27T02:59:57Z",
    "free_disk_bytes": "52000000000",
    "refusals": [
        {"key_id": "7fc896b2b45e7e52", "reason": "RATE_LIMITED", "count": "812"},
        {"reason": "API_KEY_INVALID", "count": "3"},
    ],
    "replica_id": "0190a5c0-0000-7000-8000-0000000000ff",
}
AGENT = {
    "tenant": "shop",
    "environment": "production",
    "agent_id": "buyer-7",
    "live": True,
    "lease_end_time": "2026-11-27T03:00:21Z",
    "task_counts": STATUS["task_counts"],
}
LOST = {
    "tenant": "shop",
    "environment": "sandbox",
    "agent_id": "buyer-8",
    "lost_time": "2026-11-27T02:00:00Z",
}
WATCHES = [
    {
        "tenant": "shop",
        "environment": "production",
        "key_id": "7fc896b2b45e7e52",
        "method": "countermand.v1.CancellationService/WatchTasks",
        "messages": "1200",
        "open_time": "2026-11-27T01:00:00Z",
        **more,
    }
    for more in (
        {"filter": {"group_id": "0190a5c0-0000-7000-8000-0000000000aa", "agent_id": "buyer-7"}},
        {"blocked_since": "2026-11-27T02:58:00Z"},
    )
]
CANCELLATION = {
    "cancellation_id": "0190a5c0-0000-7000-8000-0000000000c1",
    "state": "CANCELLATION_STATE_SUCCEEDED",
    "reason": "customer_requested",
    "order_id": "633130-00000004",
    "requested_by": "7fc896b2b45e7e52",
    "create_time": "2026-11-27T02:59:00Z",
    "end_time": "2026-11-27T02:59:30Z",
}


class Terminal(StringIO):
    """A standard output that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def _rows(names, found, cells) -> None:
    rows = Rows(names)
    for one in found:
        rows.add(one, cells(one))
    rows.end()


def _everything() -> None:
    tasks = [ParseDict(task, Task()) for task in TASKS]
    whose = {"tenant": "shop", "environment": "production"}
    of_tenants = [ParseDict({"task": task, **whose}, OperatorTask()) for task in TASKS]
    status = ParseDict(STATUS, ServerStatus())
    show("== list tasks")
    _rows(_COLUMNS, tasks, task_cells)
    show("== list tasks --all")
    _rows(_COLUMNS_OF_TENANTS, of_tenants, task_cells)
    show("== list agents")
    agents = [ParseDict(agent, Agent()) for agent in (AGENT, LOST)]
    _rows(_AGENTS, agents, lambda agent: agent_cells(agent, NOW))
    show("== list watches")
    watches = [ParseDict(watch, OpenWatch()) for watch in WATCHES]
    _rows(_WATCHES, watches, lambda watch: watch_cells(watch, NOW))
    show("== list cancellations")
    _rows(CANCELLATIONS, [ParseDict(CANCELLATION, Cancellation())], cancellation_cells)
    show("== status")
    show_facts(about_status(status, NOW + timedelta(seconds=0)))
    show_refusals(status)
    show("== watch")
    for task in tasks:
        show(line(task))


def _printed(mode: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    for name, value in MODES[mode].items():
        monkeypatch.setenv(name, value)
    out, err = StringIO() if mode == "pipe" else Terminal(), StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    _everything()
    return out.getvalue() + "== stderr\n" + err.getvalue()


@pytest.mark.parametrize("mode", MODES)
def test_what_is_printed_is_what_was_looked_at(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = _printed(mode, monkeypatch)
    file = GOLDEN / f"{mode}.txt"
    if os.environ.get("COUNTERMAND_GOLDEN") == "write":
        file.write_text(printed)
    assert printed == file.read_text()


@pytest.mark.parametrize("mode", MODES)
def test_no_word_is_broken_and_none_stands_beyond_the_edge(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = set(_printed("pipe", monkeypatch).split())
    printed = re.sub(r"\x1b\[[0-9;]*m", "", _printed(mode, monkeypatch)).partition("== stderr")[0]
    assert set(printed.split()) <= words
    width = int(MODES[mode].get("COLUMNS", "1000"))
    assert [line for line in printed.splitlines() if cell_len(line) > width] == []


def test_there_is_no_colour_where_none_is_wanted() -> None:
    for mode in ("pipe", "no-colour", "dumb-terminal"):
        assert "\x1b[3" not in (GOLDEN / f"{mode}.txt").read_text()


def test_a_status_shows_a_log_and_a_disk_where_they_are_the_server_s_to_look_at():
    sizes = {"wal_bytes": 0, "free_disk_bytes": 0}
    for kind, shown in (("sqlite", True), ("postgresql", False)):
        facts = dict(about_status(ServerStatus(store_kind=kind, **sizes), NOW))
        assert ("write-ahead log" in facts, "disk left" in facts) == (shown, shown)
