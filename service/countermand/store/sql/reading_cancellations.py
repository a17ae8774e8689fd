"""The readings that look for cancellations, and count them."""

from collections import Counter
from typing import Any

from countermand.core.cancellations import Cancellation
from countermand.core.ids import uuid_at
from countermand.core.records import SECOND
from countermand.core.states import SummaryKey
from countermand.store.lists import CancellationPage, CancellationQuery
from countermand.store.sql import rows
from countermand.store.sql.queries import NO_NUMBER, Queries

MILLISECOND = SECOND // 1000
AHEAD = 60 * SECOND
"""How far the time in a cancellation's id may be ahead of its own: others make ids meanwhile."""
LAST_UUID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
FIRST_UUID = "00000000-0000-0000-0000-000000000000"


class CancellationReader(Queries):
    """Looks for cancellations, and counts them."""

    def early_cancel(self, namespace: int, task_id: str) -> Cancellation | None:
        row = self._loaded("load_early_cancels", namespace, rows.uuid_bytes(task_id))
        return None if row is None else rows.read_cancellation(row)

    def cancellations(
        self, namespace: int, query: CancellationQuery, before: str | None, limit: int
    ) -> CancellationPage:
        if query.ids is not None:
            return self._chosen_cancellations(namespace, query, before, limit)
        span = self._id_range(query.start_time, query.end_time)
        if before is not None:
            span["before"] = min(span["before"], rows.uuid_bytes(before) or b"")
        looked_at, last, found = self._all(
            "list_cancellations" if query.reason is None else "list_cancellations_by_reason",
            span
            | {
                "namespace_no": namespace,
                "window": self._max_scanned,
                "limit": limit,
                "reason": query.reason,
                "state": query.state,
                "start_time": query.start_time,
                "end_time": query.end_time,
            },
        )
        cancellations = [rows.read_cancellation(row) for row in found]
        cancellations.sort(key=lambda cancellation: cancellation.cancellation_id, reverse=True)
        if len(cancellations) == limit:
            return CancellationPage(cancellations, cancellations[-1].cancellation_id)
        return CancellationPage(
            cancellations, rows.uuid_text(last) if looked_at == self._max_scanned else None
        )

    def summary(
        self, namespace: int, start_time: int | None, end_time: int | None, group_by: SummaryKey
    ) -> dict[str, int]:
        chosen = {
            "namespace_no": namespace,
            "start_time": start_time or 0,
            "end_time": NO_NUMBER if end_time is None else end_time,
        }
        name = f"summarize_{group_by.lower()}"
        if group_by is SummaryKey.REFUND:
            tallies = Counter(dict(self._all(name, chosen)))
        else:
            tallies = self._summed(name, chosen | self._id_range(start_time, end_time))
        return {key: tally for key, tally in tallies.items() if tally}

    def _summed(self, name: str, chosen: dict[str, Any]) -> Counter[str]:
        """Counts window by window, so that what it takes does not grow with what there is."""
        last = chosen["before"]
        tallies: Counter[str] = Counter()
        while chosen["from"] != last:
            window_end = self._one("summary_window", chosen | {"window": self._max_scanned})
            chosen["before"] = bytes.fromhex(window_end[0]) if window_end else last
            for key, tally in self._all(name, chosen):
                tallies[key] += tally or 0
            chosen["from"], chosen["before"] = chosen["before"], last
        return tallies

    def _chosen_cancellations(
        self, namespace: int, query: CancellationQuery, before: str | None, limit: int
    ) -> CancellationPage:
        found = []
        for id in sorted(query.ids or (), reverse=True):
            if before is not None and id >= before:
                continue
            row = self._one("listed_cancellation", (namespace, rows.uuid_bytes(id)))
            if row is not None and query.matches(rows.read_cancellation(row)):
                found.append(rows.read_cancellation(row))
        more = len(found) > limit
        return CancellationPage(found[:limit], found[limit - 1].cancellation_id if more else None)

    def _id_range(self, start_time: int | None, end_time: int | None) -> dict[str, bytes]:
        """Returns the bounds of the ids that we made in a time; they hold milliseconds.

        None is behind its time, but after the clock was set back they are ahead for a while.
        """
        lowest, highest = FIRST_UUID, LAST_UUID
        if start_time is not None:
            lowest = uuid_at(start_time)
        if end_time is not None:
            (ahead,) = self._all("last_id_ahead", (end_time,))
            # Above the last of that millisecond.
            highest = uuid_at(max(end_time, ahead or 0) + AHEAD + MILLISECOND)
        return {"from": rows.uuid_bytes(lowest) or b"", "before": rows.uuid_bytes(highest) or b""}
