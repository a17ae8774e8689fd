"""What has run out, as a batch sees it. Runs on the writer's thread.

Namespaces take turns: each has an equal share of a batch, so that what one has a lot of keeps what
is due in another waiting for no longer than one batch.
"""

from collections.abc import Callable, Iterable
from typing import Any

from countermand.core.changes import Id
from countermand.core.instant import Instant
from countermand.core.overdue import Overdue, OverdueKind, OverdueSearch
from countermand.core.records import Task
from countermand.store.sql import rows
from countermand.store.sql.session import Session, value_of

K = OverdueKind

Row = list[Any]
Turn = Callable[[int, int], tuple[list[Row], bool]]
"""Loads at most so many of a namespace; answers them, and whether there may be more."""


class OverdueLoader:
    """Loads what is overdue on the one connection that writes."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def load(self, instant: Instant, search: OverdueSearch) -> tuple[Overdue, list[Task]]:
        """Returns what has run out, and the rows of its tasks, which will be wanted next."""
        sweep = _Sweep(self._session, search)
        late = sweep.tasks(K.LATE_TASK, "late_task", instant.steady)
        orphans, agents = sweep.lost(search.lease_time)
        expired = sweep.tasks(K.EXPIRED_TASK, "expired_task", instant.now)
        checkouts = sweep.checkouts(instant.now)
        early = sweep.early_cancels(instant.early_before)
        tasks = list(dict.fromkeys(_keys(late) + _keys(orphans)))
        overdue = Overdue(tasks, agents, _keys(expired), checkouts, early, sweep.more, sweep.last)
        return overdue, [*late, *orphans, *expired]


class _Sweep:
    """One look at all that is overdue."""

    def __init__(self, session: Session, search: OverdueSearch) -> None:
        self._session = session
        self._search = search
        self.more = False
        self.last = 0

    def tasks(self, kind: OverdueKind, name: str, time: int) -> list[Task]:
        """Returns tasks of one kind."""

        def turn(namespace: int, share: int) -> tuple[list[Row], bool]:
            found = self._rows(f"load_{name}", namespace, time, share, self._skip)
            return found, len(found) == share

        return [rows.read_task(row) for row in self._in_turn(kind, time, turn)]

    def lost(self, time: int) -> tuple[list[Task], list[Id]]:
        """Returns live tasks of agents past their lease, and those agents of which it has all."""
        agents: list[Id] = []

        def turn(namespace: int, share: int) -> tuple[list[Row], bool]:
            found = self._rows("load_orphan", namespace, time, share, self._skip)
            if len(found) == share or self._skip:
                return found, len(found) == share
            lost = self._rows("load_lost_agent", namespace, time, share, 0)
            agents.extend(ids_of(lost))
            return found, len(lost) == share

        orphans = [rows.read_task(row) for row in self._in_turn(K.LOST_AGENT, time, turn)]
        return orphans, agents

    def checkouts(self, time: int) -> list[Id]:
        """Returns checkouts that hold so many tasks together, or a larger one alone."""
        room, taken = self._search.limit, 0

        def turn(namespace: int, share: int) -> tuple[list[Row], bool]:
            nonlocal room, taken
            found = self._rows("load_expired_checkout", namespace, time, share, self._skip)
            fitting: list[Row] = []
            for row in found:
                size = max(1, row[2])
                if taken and size > room:
                    return fitting, True
                room, taken = room - size, taken + 1
                fitting.append(row)
            return fitting, len(found) == share

        return ids_of(self._in_turn(K.EXPIRED_CHECKOUT, time, turn))

    def early_cancels(self, time: int) -> list[Id]:
        """Returns cancels that waited long enough, of all namespaces: they are few and small."""
        chosen, limit = self._search.chosen, self._search.limit
        if chosen is not None and chosen.kind is not K.EARLY_CANCEL:
            return []
        found = self._rows("load_late_early_cancel", time, limit, self._skip)
        self.more = self.more or len(found) == limit
        return with_text(found)

    @property
    def _skip(self) -> int:
        chosen = self._search.chosen
        return 0 if chosen is None else chosen.skip

    def _in_turn(self, kind: OverdueKind, time: int, turn: Turn) -> list[Row]:
        """Returns what is found of one kind, of each namespace its share."""
        waiting, found = self._namespaces(kind, time), []
        share = max(1, self._search.limit // max(1, len(waiting)))
        for place, namespace in enumerate(waiting):
            taken, more = turn(namespace, share)
            found += taken
            self.more = self.more or more
            if len(found) >= self._search.limit or (more and len(taken) < share):
                if place + 1 < len(waiting):
                    self.more, self.last = True, namespace
                break
        return found

    def _namespaces(self, kind: OverdueKind, time: int) -> list[int]:
        """Returns the namespaces that have something of a kind, in the order of their turns."""
        chosen = self._search.chosen
        if chosen is not None:
            return [chosen.namespace] if chosen.kind is kind else []
        found: list[int] = sorted(self._rows(f"namespaces_{kind.lower()}", time))
        behind = [one for one in found if one > self._search.after]
        return behind + [one for one in found if one <= self._search.after]

    def _rows(self, name: str, *parameters: int) -> list[Any]:
        found: list[Any] = value_of(self._session.execute(name, parameters))
        return found


def ids_of(found: Iterable[Row]) -> list[Id]:
    """Returns the namespaces and ids with which rows begin."""
    return [(namespace, id) for namespace, id, *_ in found]


def with_text(found: Iterable[Row]) -> list[Id]:
    """Returns the namespaces and UUIDs with which rows begin."""
    return [(namespace, str(rows.uuid_text(digits))) for namespace, digits, *_ in found]


def _keys(tasks: Iterable[Task]) -> list[Id]:
    return [(task.namespace, task.task_id) for task in tasks]
