"""The readings of checkouts, orders and carts: one by its id, and lists."""

import json
from array import array
from collections.abc import Sequence
from typing import Any

from countermand.core.log import TaskFilter
from countermand.core.records import Cart, Checkout, Holder, Order, Target
from countermand.core.states import CartState, TargetKind, TaskState
from countermand.store.lists import (
    CartPage,
    HolderHistory,
    HolderPage,
    HolderQuery,
    HolderReading,
    PageQuery,
    Trail,
)
from countermand.store.sql import rows
from countermand.store.sql.queries import NO_NUMBER, Queries
from countermand.store.sql.reading_watches import parameters


class HolderReader(Queries):
    """Reads what holds tasks, and carts."""

    def holder(self, target: Target) -> HolderReading | None:
        scope, read, _ = rows.HOLDER_ROWS[target.kind]
        row = self._loaded(f"load_{scope}", target.namespace, rows.id_value(target))
        if row is None:
            return None
        counts = self._all(f"count_{scope}", parameters(target.namespace, under(target)))
        return HolderReading(
            self._whole(read(row)), {TaskState(state): tally for state, tally in counts}
        )

    def _whole(self, holder: Holder) -> Holder:
        """Returns a holder with its snapshot, if it has one."""
        if not isinstance(holder, Checkout | Order):
            return holder
        target = holder.target
        name = f"load_{rows.HOLDER_ROWS[target.kind].scope}_snapshot"
        (snapshot,) = self._row(name, (target.namespace, target.id))
        return holder.evolve(snapshot=snapshot)

    def holder_history(
        self, target: Target, after_version: int | None, limit: int, trail: Trail | None = None
    ) -> HolderHistory | None:
        reading = self.holder(target)
        if reading is None or after_version is None:
            return None if reading is None else HolderHistory(reading, [])
        assert isinstance(reading.holder, Checkout | Order)
        if trail is None or not trail.leads_on(after_version):
            trail = self._trail_of_holder(reading.holder, after_version)
        # The last of its places is of the last of its versions, and there is one of each before.
        begin = max(len(trail.seqs) - (trail.end - after_version), 0)
        seqs = trail.seqs[begin : begin + limit].tolist()
        names = {"namespace_no": target.namespace, "seqs": json.dumps(seqs)}
        found = sorted(self._all("holder_history", names))
        rest = trail if begin + limit < len(trail.seqs) else None
        return HolderHistory(reading, [rows.read_version(target.kind, row) for row in found], rest)

    def _trail_of_holder(self, holder: Checkout | Order, after_version: int) -> Trail:
        names = {
            "namespace_no": holder.namespace,
            "last_seq": holder.last_seq,
            "after_version": after_version,
        }
        return Trail(after_version, holder.version, array("q", self._all("trail_holder", names)))

    def holders(self, namespace: int, query: HolderQuery, asked: PageQuery) -> HolderPage:
        scope, read, _ = rows.HOLDER_ROWS[query.kind]
        way = "by_cart" if query.cart_id is not None else "by_state" if query.state else "all"
        names: dict[str, Any] = {
            "namespace_no": namespace,
            "state": query.state,
            "before": NO_NUMBER if asked.before is None else asked.before,
            "limit": asked.limit,
        }
        if query.cart_id is not None:
            names["cart_id"] = query.cart_id
        found = self._all(f"page_{scope}s_{way}", names)
        page = self._fitting(found, asked.max_bytes)
        more = len(page) < len(found) or len(found) == asked.limit
        chosen = [row for row in page if query.state in (None, row[4])]
        wanted = [(namespace, row[1]) for row in chosen]
        holders = {row.target.id: row for row in map(read, self._rows(f"load_{scope}", wanted))}
        counts = self._counts(query.kind, namespace, [row[1] for row in chosen if row[3]])
        numbers = [row[0] for row in chosen]
        snapshots = self._blobs(f"page_{scope}_snapshots", numbers)
        readings = [
            HolderReading(holders[id].evolve(snapshot=snapshots[number]), counts.get(id, {}))
            for number, id, *_ in chosen
        ]
        return HolderPage(readings, numbers, page[-1][0] if more else None)

    def _blobs(self, name: str, numbers: list[int]) -> dict[int, bytes]:
        """Returns what is large of the rows of a page, which bounds it."""
        found = self._all(name, {"numbers": json.dumps(numbers)})
        return {number: bytes.fromhex(digits) for number, digits in found}

    def _fitting(self, found: Sequence[Any], max_bytes: int) -> list[Any]:
        """Returns the first rows, as many as have so many bytes, and tasks to count, together."""
        page: list[Any] = []
        size = tasks = 0
        for row in found:
            size, tasks = size + row[2], tasks + row[3]
            if page and (size > max_bytes or tasks > self._max_scanned):
                break
            page.append(row)
        return page

    def _counts(
        self, kind: TargetKind, namespace: int, ids: list[str]
    ) -> dict[str, dict[TaskState, int]]:
        counts: dict[str, dict[TaskState, int]] = {id: {} for id in ids}
        wanted = [(place, namespace, id) for place, id in enumerate(ids)]
        for place, state, tally in self._rows(f"count_many_{rows.HOLDER_ROWS[kind].scope}", wanted):
            counts[ids[place]][TaskState(state)] = tally
        return counts

    def cart(self, namespace: int, cart_id: str) -> Cart | None:
        row = self._loaded("load_carts", namespace, cart_id)
        return None if row is None else self._with_lines(rows.read_cart(row))

    def _with_lines(self, cart: Cart) -> Cart:
        (line_items,) = self._row("load_cart_lines", (cart.namespace, cart.cart_id))
        return cart.evolve(line_items=line_items)

    def carts(self, namespace: int, state: CartState | None, asked: PageQuery) -> CartPage:
        names = {
            "namespace_no": namespace,
            "state": state,
            "before": NO_NUMBER if asked.before is None else asked.before,
            "limit": asked.limit,
        }
        found = self._all(f"page_carts_{'by_state' if state else 'all'}", names)
        page = self._fitting(found, asked.max_bytes)
        more = len(page) < len(found) or len(found) == asked.limit
        wanted = [(namespace, row[1]) for row in page]
        carts = {row.cart_id: row for row in map(rows.read_cart, self._rows("load_carts", wanted))}
        numbers = [row[0] for row in page]
        lines = self._blobs("page_cart_lines", numbers)
        found_carts = [carts[id].evolve(line_items=lines[number]) for number, id, *_ in page]
        return CartPage(found_carts, numbers, page[-1][0] if more else None)


def under(target: Target) -> TaskFilter:
    """Returns the filter that chooses a holder's tasks."""
    return TaskFilter(**{f"{rows.HOLDER_ROWS[target.kind].scope}_id": target.id})
