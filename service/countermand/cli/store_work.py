"""The work behind `countermand store`, and how its results are shown."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from countermand.cli.failures import Failure
from countermand.cli.output import plain
from countermand.core.records import SECOND

if TYPE_CHECKING:
    from countermand.store.sql.checked import Checked
    from countermand.store.sqlite.upkeep.facts import StoreFacts
    from countermand.store.sqlite.upkeep.replacing import Compacted

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Work:
    """What can be done with one store. Its modules are imported late: other commands do without."""

    def __init__(self, path: Path) -> None:
        from countermand.core.knobs import Knobs

        self.path = path
        self._knobs = Knobs().store

    def facts(self) -> "StoreFacts":
        """Returns what is in it."""
        from countermand.store.sqlite.upkeep.facts import read_facts
        from countermand.store.sqlite.upkeep.viewing import viewing

        with viewing(self.path, self._knobs) as connection:
            return read_facts(connection, self.path)

    def check(self) -> "Checked":
        """Returns what is wrong in it."""
        from countermand.store.sqlite.upkeep.checking import check
        from countermand.store.sqlite.upkeep.viewing import viewing

        with viewing(self.path, self._knobs) as connection:
            return check(connection)

    def back_up(self, target: Path) -> "StoreFacts":
        """Copies it. Returns what is in the copy."""
        from countermand.store.sqlite.upkeep.copying import back_up

        return back_up(self.path, target, self._knobs)

    def restore(self, backup: Path, *, replaces: bool) -> "StoreFacts":
        """Puts a copy of a backup in its place. Returns what is in it."""
        from countermand.store.sqlite.upkeep.replacing import restore

        return restore(backup, self.path, self._knobs, replaces=replaces)

    def compact(self) -> "Compacted":
        """Writes it anew. Returns how large it was and is."""
        from countermand.store.sqlite.upkeep.replacing import compact

        return compact(self.path, self._knobs)


@contextmanager
def work_on(store: str | Path) -> Iterator[Work]:
    """Gives the work on the store that an address or a path names. Raises Failure if it is refused
    or cannot be done."""
    from countermand.store.contract import StoreRefused
    from countermand.store.names import LOOKED_AFTER_ELSEWHERE, is_postgres
    from countermand.store.sqlite import path_of

    if isinstance(store, str) and is_postgres(store):
        raise Failure(LOOKED_AFTER_ELSEWHERE)
    try:
        yield Work(store if isinstance(store, Path) else path_of(store))
    except StoreRefused as refusal:
        raise Failure(plain(str(refusal))) from None


def checked(store: str | Path) -> tuple[str, "Checked"]:
    """Returns how a store is shown, be it a file or a database, and what is wrong in it. Raises
    Failure if it is refused or cannot be read."""
    from countermand.core.knobs import Knobs
    from countermand.store.contract import StoreRefused
    from countermand.store.names import NEEDS_PSYCOPG, is_postgres, shown

    if isinstance(store, Path) or not is_postgres(store):
        with work_on(store) as work:
            return str(work.path), work.check()
    try:
        from countermand.store.postgres.checking import check
    except ImportError as error:
        raise Failure(NEEDS_PSYCOPG) from error
    try:
        return shown(store), check(store, Knobs().store.postgres)
    except StoreRefused as refusal:
        raise Failure(plain(str(refusal))) from None


def as_facts(facts: "StoreFacts") -> Mapping[str, str]:
    """What is in a store, as a person reads it."""
    counts = facts.counts
    states = ", ".join(f"{count} {state}" for state, count in facts.task_states.items())
    return {
        "schema": str(facts.schema),
        "file": f"{human(facts.file_bytes)}, of which {human(facts.free_bytes)} are free",
        "log": human(facts.log_bytes),
        "tenants": f"{facts.tenants}, with {counts['keys']} keys",
        "tasks": f"{counts['tasks']}" + (f": {states}" if states else ""),
        **{
            kind: str(counts[kind]) for kind in ("groups", "checkouts", "orders", "carts", "agents")
        },
        "cancellations": f"{counts['cancellations']}, {facts.open_cancellations} in progress",
        "request ids": str(counts["request_ids"]),
        "events": str(counts["events"]),
        "oldest task": _shown(facts.oldest_time),
        "last change": _shown(facts.newest_time),
    }


def as_json(found: Mapping[str, Any]) -> str:
    """The same for programs; times in RFC 3339."""
    times = {key: _shown(value) or None for key, value in found.items() if key.endswith("_time")}
    return json.dumps(dict(found) | times)


def human(size: int) -> str:
    """A size in bytes, with a unit."""
    number, unit = float(size), 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.1f} {_UNITS[unit]}" if unit else f"{size} B"


def _shown(time: int | None) -> str:
    if time is None:
        return ""
    return datetime.fromtimestamp(time / SECOND, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
