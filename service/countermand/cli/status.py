"""`countermand status`."""

import asyncio
from datetime import UTC, datetime, timedelta

from google.protobuf.timestamp_pb2 import Timestamp
from rich.filesize import decimal

from countermand.cli.account import Facts, count_words
from countermand.cli.options import Access, JsonOption, calls_server
from countermand.cli.output import moment, show, show_columns, show_facts, to_json
from countermand.v1.operator_service_pb2 import ServerStatus

_NEAR = 0.8
"""From which part of their bound on open watches are said to be near it."""


@calls_server
def status(as_json: JsonOption = False, *, access: Access) -> None:
    """Show how the server stands: version, store, disk, tasks, agents, watches, and who was refused
    in the last minute. Needs a key with operator:read.

    Examples:

    - `countermand status`

    - `countermand status --json | jq .overdue_count`
    """

    async def run() -> ServerStatus:
        async with access.connect() as client:
            return (await client.get_server_status()).status

    found = asyncio.run(run())
    if as_json:
        show(to_json(found))
        return
    show_facts(about_status(found, datetime.now(UTC)))
    show_refusals(found)


def show_refusals(found: ServerStatus) -> None:
    """Prints what was refused in the last minute, if anything was."""
    rows = [
        {"refused": one.reason, "times": str(one.count), "key": one.key_id or "-"}
        for one in found.refusals
    ]
    if rows:
        show("")
        show_columns(rows)


def about_status(found: ServerStatus, now: datetime) -> Facts:
    """Returns the facts of a status."""
    has_a_disk = found.store_kind == "sqlite"  # A database's disk is not the server's to look at.
    return [
        ("version", found.version),
        ("up since", f"{moment(found.start_time)}, {span_words(age(found.start_time, now))}"),
        ("replica", found.replica_id),
        ("store", f"{found.store_kind}, schema {found.schema}, {decimal(found.store_bytes)}"),
        *([("write-ahead log", decimal(found.wal_bytes))] if has_a_disk else ()),
        *([("disk left", decimal(found.free_disk_bytes))] if has_a_disk else ()),
        ("last commit", _last_commit(found, now)),
        ("tasks", _tasks(found)),
        ("overdue", _overdue(found, now)),
        ("live agents", str(found.live_agents)),
        ("open watches", open_watches(found)),
    ]


def _last_commit(found: ServerStatus, now: datetime) -> str:
    if not found.HasField("last_commit_time"):
        return "none yet"
    took = found.last_commit_duration.ToNanoseconds() / 1e6
    return f"took {took:.1f} ms, {span_words(age(found.last_commit_time, now))} ago"


def _tasks(found: ServerStatus) -> str:
    if not found.HasField("task_count_time"):
        return "being counted"
    return f"{count_words(found.task_counts) or 'none'} (at {moment(found.task_count_time)})"


def _overdue(found: ServerStatus, now: datetime) -> str:
    if not found.overdue_count:
        return "none"
    return (
        f"{found.overdue_count}, the oldest for {span_words(age(found.oldest_overdue_time, now))}"
    )


def open_watches(found: ServerStatus) -> str:
    """How many watches are open, and whether that is near their bound."""
    if not found.max_open_watches:
        return str(found.open_watches)
    near = found.open_watches >= _NEAR * found.max_open_watches
    return f"{found.open_watches} of {found.max_open_watches}{', near the bound' if near else ''}"


def age(time: Timestamp, now: datetime) -> timedelta:
    """How long ago something was; never less than nothing, for clocks differ."""
    return max(timedelta(0), now - time.ToDatetime(UTC))


def span_words(span: timedelta) -> str:
    """A span as a person reads it, such as `3 d 4 h`, `2 min 5 s` or `0.3 s`."""
    seconds = span.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next(place for place, (number, _) in enumerate(parts) if number)
    return " ".join(f"{number} {unit}" for number, unit in parts[first : first + 2] if number)
