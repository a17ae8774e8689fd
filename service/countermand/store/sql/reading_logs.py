"""The readings of who follows what others commit: where logs end, and what happened there."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from countermand.core.records import Target
from countermand.core.states import TargetKind
from countermand.store.shared_logs import LogChanges, LogEnd, Touched
from countermand.store.sql import rows
from countermand.store.sql.queries import Queries

VERSIONED = ("CHECKOUT", "ORDER")
"""The kinds of records that can be watched."""


class LogReader(Queries):
    """Looks at the ends of logs."""

    def log_ends(self, namespaces: Collection[int] | None) -> dict[int, LogEnd]:
        if namespaces is None:
            found = self._all("all_log_ends", ())
        else:
            found = self._all("log_ends", {"numbers": json.dumps(list(namespaces))})
        return {namespace: LogEnd(*end) for namespace, *end in found}

    def log_changes(self, namespace: int, after: int, through: int, limit: int) -> LogChanges:
        time, found = self._all(
            "log_changes",
            # One more, so that it is known whether these are all.
            {"namespace_no": namespace, "after": after, "through": through, "limit": limit + 1},
        )
        if len(found) > limit:
            return LogChanges(time, None)
        touched = [_touched(namespace, row) for row in found]
        known = [one for one in touched if one is not None]
        return LogChanges(time, known if len(known) == len(touched) else None)


def _touched(namespace: int, row: Sequence[Any]) -> Touched | None:
    """Returns what an entry is about; None if it does not say."""
    task, group, checkout, order, agent, kind, record, orders = row
    about = Target(TargetKind(kind), namespace, record) if kind in VERSIONED else None
    if not task:
        return None if kind is None else Touched(record=about)
    under = {*orders, order} - {None}
    return Touched(
        rows.uuid_text(task), rows.uuid_text(group), checkout, agent, tuple(under), about
    )
