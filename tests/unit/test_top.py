"""`countermand top`: what it knows, what its keys do, and that its screen fits."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from google.protobuf.json_format import ParseDict
from rich.cells import cell_len
from rich.console import Console

from countermand.cli.top.keys import press
from countermand.cli.top.screen import KEYS, Size, View, screen
from countermand.cli.top.state import Seen
from countermand.v1.cancellation_service_pb2 import WatchType
from countermand.v1.operator_service_pb2 import (
    OperatorServiceWatchTasksResponse,
    OperatorTask,
    ServerStatus,
)
from tests.unit.test_cli_golden import STATUS

PICTURE = Path(__file__).parents[2] / "docs" / "operations" / "top.svg"
NOW = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
SECONDS = NOW.timestamp()
SERVER = "127.0.0.1:50051"


def found(number: int, state: str, *, proof: str = "UNSPECIFIED", refund: str = "NONE", **more):
    task = {
        "task_id": f"0190a5c0-0000-7000-8000-{number:012x}",
        "state": f"TASK_STATE_{state}",
        "cancel_proof": f"CANCEL_PROOF_{proof}",
        "refund_state": f"REFUND_STATE_{refund}",
        "agent_id": f"buyer-{number}",
        "merchant": "Oolong & Söhne",
        "cancel_reason": "fraud",
        **more,
    }
    message = {"tenant": "shop", "environment": "production", "task": task}
    shown = ParseDict(message, OperatorTask())
    if state == "CANCELLING":
        shown.task.deadline_time.FromDatetime(NOW + timedelta(seconds=3 * number))
    return shown


def hear(seen: Seen, kind: str, task: OperatorTask | None = None, now: float = SECONDS) -> None:
    kind_number = WatchType.Value(f"WATCH_TYPE_{kind}")
    seen.hear(OperatorServiceWatchTasksResponse(type=kind_number, task=task), now)


@pytest.fixture
def seen() -> Seen:
    """A server with two tasks that wind down, one that was ended by force, and an agent lost."""
    seen = Seen()
    hear(seen, "SNAPSHOT", found(1, "CANCELLING"))
    hear(seen, "SNAPSHOT", found(9, "RUNNING"))
    hear(seen, "SYNCED")
    for number in range(2, 7):
        hear(seen, "CHANGE", found(number, "CANCELLING"))
    hear(seen, "CHANGE", found(2, "CANCELLED", proof="FORCED", refund="REQUIRED"))
    hear(seen, "CHANGE", found(3, "CANCELLED", proof="AGENT_LOST"))
    hear(seen, "CHANGE", found(4, "CANCELLED", proof="ACKNOWLEDGED"))
    hear(seen, "CHANGE", found(7, "CANCELLED", proof="NEVER_STARTED"))
    seen.status = ParseDict(STATUS, ServerStatus())
    return seen


def numbers(tasks: list[OperatorTask]) -> list[int]:
    return [int(one.task.task_id[-4:], 16) for one in tasks]


def test_it_counts_cancels_forced_ends_lost_agents_and_refunds(seen: Seen) -> None:
    assert numbers(seen.stopping("")) == [1, 5, 6]
    assert (seen.forced, seen.lost, len(seen.owed)) == (1, 1, 1)
    assert seen.rate(SECONDS) == 0.6  # 2 to 7 in ten seconds; 1 was cancelled before
    assert seen.rate(SECONDS + 10) == 0.0
    hear(seen, "CHANGE", found(2, "CANCELLED", proof="FORCED", refund="REFUNDED"))
    assert (seen.forced, len(seen.owed)) == (1, 0)


def test_after_a_break_it_forgets_what_ended_meanwhile(seen: Seen) -> None:
    hear(seen, "SNAPSHOT", found(5, "CANCELLING"))
    assert numbers(seen.stopping("")) == [1, 5, 6]
    hear(seen, "SYNCED")
    assert numbers(seen.stopping("")) == [5]
    assert seen.rate(SECONDS) == 0.6


def test_a_filter_looks_at_all_that_is_shown(seen: Seen) -> None:
    for chosen in ("SHOP", "buyer-5", "oolong", "fraud", "000000000005"):
        assert 5 in numbers(seen.stopping(chosen))
    assert seen.stopping("nothing") == []


def test_the_keys_choose_open_filter_and_leave(seen: Seen) -> None:
    shown = seen.stopping("")
    view: View | None = View()

    def typed(*keys: str) -> View:
        nonlocal view
        for key in keys:
            assert view is not None
            view = press(key, view, shown)
        assert view is not None
        return view

    assert typed("j", "\x1b[B", "j").place == 2
    assert typed("k").place == 1
    assert typed("\n").opened == shown[1]
    assert typed("\x1b").opened is None
    assert typed("/", *"tea?", "\x7f").chosen == "tea"
    assert typed("q").chosen == "teaq"
    assert typed("\n").is_typing is False
    assert typed("\x1b").chosen == ""
    assert press("q", View(), shown) is None
    assert press("\x1b[9~", View(), []) == View()


def sizes() -> Iterator[Size]:
    yield from (Size(width, height) for width in (60, 80, 200) for height in (10, 24, 50))


@pytest.mark.parametrize("size", list(sizes()), ids=str)
@pytest.mark.parametrize("what", ["tasks", "opened", "typing", "nothing", "away", "many"])
def test_the_screen_fits(seen: Seen, size: Size, what: str) -> None:
    view = View()
    if what == "opened":
        view = View(opened=seen.stopping("")[0])
    elif what == "typing":
        view = View(chosen="tea", is_typing=True)
    elif what == "nothing":
        seen = Seen()
    elif what == "away":
        seen.away = True
    elif what == "many":
        for number in range(100, 400):
            hear(seen, "CHANGE", found(number, "CANCELLING"))
        view = View(place=299)
    lines = screen(seen, view, size, NOW, SERVER)
    text = "\n".join(line.plain for line in lines)
    assert len(lines) == size.height
    assert max(cell_len(line.plain) for line in lines) <= size.width
    assert ("filter: tea" in text) is (what == "typing")
    assert (KEYS in text) is (what != "typing")
    assert ("THE SERVER IS AWAY" in text) is (what == "away")
    if what in ("tasks", "many"):
        assert sum(line.plain.startswith("> ") for line in lines) == 1


def test_what_a_merchant_is_called_cannot_steer_the_terminal() -> None:
    seen = Seen()
    hear(seen, "SNAPSHOT", found(1, "CANCELLING", merchant="\x1b[2Jtea\nshop"))
    hear(seen, "SYNCED")
    for view in (View(), View(opened=seen.stopping("")[0]), View(chosen="\x1b[2J")):
        for line in screen(seen, view, Size(200, 24), NOW, SERVER):
            assert line.plain.isprintable()


def test_the_picture_in_the_documentation_is_what_is_shown(seen: Seen) -> None:
    for number in range(10, 18):
        hear(seen, "CHANGE", found(number, "CANCELLING"))
    console = Console(record=True, width=80, file=StringIO(), color_system="truecolor")
    for line in screen(seen, View(place=2), Size(80, 24), NOW, SERVER):
        console.print(line, soft_wrap=True)
    picture = console.export_svg(title="countermand top", unique_id="top")
    if os.environ.get("COUNTERMAND_GOLDEN") == "write":
        PICTURE.write_text(picture)
    assert PICTURE.read_text() == picture
