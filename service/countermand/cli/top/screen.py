"""The screen of `countermand top`, line by line: it fits 80 columns and 24 lines, and says with
words all that it says with colours."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from rich.text import Text

from countermand.cli.account import about_task, count_words
from countermand.cli.fitting import Columns, fold
from countermand.cli.output import NONE, plain, word
from countermand.cli.status import age, open_watches, span_words
from countermand.cli.top.state import Seen
from countermand.v1.operator_service_pb2 import OperatorTask
from countermand.v1.task_pb2 import CancelProof

KEYS = "↑↓ choose  enter open  / filter  esc back  q quit"
SMALL = 16
"""Below how many lines only the tasks are shown."""
NEAR = 5.0
"""Seconds before its deadline from which a task is shown as near it."""


class View(NamedTuple):
    """What of the screen is the reader's choice."""

    chosen: str = ""
    """Only tasks in which this is found are shown."""
    is_typing: bool = False
    """Whether the filter is being typed."""
    place: int = 0
    """Which of the tasks is pointed at."""
    opened: OperatorTask | None = None


class Size(NamedTuple):
    """How large the terminal is."""

    width: int
    height: int


def screen(seen: Seen, view: View, size: Size, now: datetime, server: str) -> list[Text]:
    """Returns the lines of the screen, as many as the terminal has."""
    seconds = now.timestamp()
    head = [*_head(seen, now, server, seconds, small=size.height < SMALL), Text()]
    foot = [Text(), _foot(view)]
    lines = [line for part in head for line in fold(part, size.width)]
    room = max(0, size.height - len(lines) - len(foot))
    body = _opened(view.opened, size) if view.opened else _tasks(seen, view, size, now, room)
    lines += body[:room]
    lines += [Text()] * (size.height - len(foot) - len(lines))
    lines += foot
    for line in lines:
        line.truncate(size.width)
    return lines[-size.height :] if len(lines) > size.height else lines


def _head(seen: Seen, now: datetime, server: str, seconds: float, *, small: bool) -> list[Text]:
    status = seen.status
    title = Text("countermand top", "bold")
    if seen.away:
        title.append("  THE SERVER IS AWAY", "bold red")
    title.append(f"  {server}  {now:%H:%M:%S} UTC", "not bold")
    if not seen.away and status is not None:
        title.append(f"  {status.version}, up {span_words(age(status.start_time, now))}")
    owed = f"{len(seen.owed)}{'+' if seen.owes_more else ''}"
    rates = (
        f"cancels {seen.rate(seconds):.1f}/s  CANCELLING {len(seen.cancelling)}"
        f"  forced {seen.forced}  agents lost {seen.lost}  refunds owed {owed}"
    )
    if status is None or small:
        return [title, Text(rates)]
    stands = (
        f"watches {open_watches(status)}  agents {status.live_agents}"
        f"  overdue {status.overdue_count}  {count_words(status.task_counts)}"
    )
    return [title, Text(rates), Text(stands, "dim")]


def _tasks(seen: Seen, view: View, size: Size, now: datetime, room: int) -> list[Text]:
    found = seen.stopping(view.chosen)
    lately = [_lately(end.found) for end in reversed(seen.lately)][: room // 4]
    if size.height < SMALL:
        lately = []
    space = max(1, room - 1 - (len(lately) + 2 if lately else 0))
    first = max(0, min(view.place, len(found) - 1) - space + 1)
    shown = found[first : first + space]
    lines = _table(shown, min(view.place, len(found) - 1) - first, size, now)
    if not found:
        lines = [Text("nothing is CANCELLING" + (f" with {view.chosen!r}" if view.chosen else ""))]
    if lately:
        lines += [Text(), Text("lately did not stop by themselves:", "dim"), *lately]
    return lines


def _table(shown: Sequence[OperatorTask], place: int, size: Size, now: datetime) -> list[Text]:
    rows = [_row(one, now) for one in shown]
    columns = Columns(rows, size.width - 2)
    lines = [Text("  " + line.plain, "dim") for line in columns.lines(_titles(columns))]
    for number, (one, row) in enumerate(zip(shown, rows, strict=True)):
        line = columns.lines([Text(row[name]) for name in columns.names])[0]
        pointed = number == place
        near = (one.task.deadline_time.ToDatetime(UTC) - now).total_seconds() < NEAR
        style = "bold yellow" if near else ""
        lines.append(Text.assemble("> " if pointed else "  ", (line.plain, style)))
    return lines


def _titles(columns: Columns) -> list[Text]:
    return [Text(name.upper()) for name in columns.names]


def _row(found: OperatorTask, now: datetime) -> Mapping[str, str]:
    task = found.task
    left = (task.deadline_time.ToDatetime(UTC) - now).total_seconds()
    cells = {
        "left": f"{left:.0f}s" if left > 0 else "overdue",
        "task": task.task_id,
        "agent": task.agent_id,
        "tenant": found.tenant,
        "reason": task.cancel_reason,
        "merchant": task.merchant,
        "environment": found.environment,
    }
    return {name: plain(cell).replace(" ", "\u00a0") or NONE for name, cell in cells.items()}


def _lately(found: OperatorTask) -> Text:
    proof = word(CancelProof, found.task.cancel_proof)
    return Text(
        plain(f"  {proof:<10}  {found.task.task_id}  {found.task.agent_id}  {found.tenant}")
    )


def _opened(found: OperatorTask, size: Size) -> list[Text]:
    task = found.task
    facts = [
        ("tenant", f"{found.tenant}, {found.environment}"),
        *about_task(task),
        ("agent", task.agent_id),
        ("merchant", task.merchant),
        ("group", task.group_id),
        ("checkout", task.checkout_id),
        ("order", task.order_id),
        ("cancellation", task.cancellation_id),
        ("reason", task.cancel_reason),
    ]
    return [Text(plain(f"{name:<14}{value}")) for name, value in facts if value not in ("", NONE)]


def _foot(view: View) -> Text:
    if view.is_typing:
        return Text.assemble(("filter: ", "bold"), plain(view.chosen), "_  enter keep  esc clear")
    chosen = f"filter {view.chosen!r}  " if view.chosen else ""
    return Text(plain(chosen) + KEYS, "dim")
