"""What a tenant may store, and what of the disk is kept for those who stop."""

from typing import NamedTuple

from countermand.core import commands as c
from countermand.core.changes import Changes
from countermand.core.errors import Reason, Refused
from countermand.core.records import Cart, Checkout, Holder, Order, Task
from countermand.core.rows import Rows
from countermand.core.updates import UpdateCheckout

ROW_BYTES = 1_000
"""What a task, group, checkout, order or cart counts beside what its caller says of it: about its
rows, its first versions and its place in the indexes. The tables count the same."""

GROWING: frozenset[type[c.Command]] = frozenset(
    {
        c.CreateTask,
        c.CreateGroup,
        c.CreateCheckout,
        c.CreateOrder,
        c.UpdateOrder,
        UpdateCheckout,
        c.ChangeCart,
    }
)
"""What is refused without room. Cancels, ends, settlements and what agents do never are."""


class Room(NamedTuple):
    """How much may still be stored; None if there is no bound."""

    max_tenant_bytes: int | None = None
    """Of one tenant, in both of its environments."""
    free_bytes: int | None = None
    """Of the disk, less what is kept of it."""


NO_BOUND = Room()


def grows(command: c.Command) -> bool:
    """Whether a command may be refused for want of room."""
    return type(command) in GROWING


def expect_room(command: c.Command, changes: Changes, rows: Rows, room: Room) -> None:
    """Raises Refused if what a growing command stores more has no room; counts it if it has."""
    if room.max_tenant_bytes is None and room.free_bytes is None:
        return
    added = _added(changes, rows)
    if added <= 0:
        return
    stored = rows.stored_bytes.get(command.namespace, 0) + added
    if room.max_tenant_bytes is not None and stored > room.max_tenant_bytes:
        raise Refused(
            Reason.STORE_FULL,
            f"this tenant may store {room.max_tenant_bytes} bytes; cancels are taken all the same",
        )
    if room.free_bytes is not None and rows.added_bytes + added > room.free_bytes:
        raise Refused(
            Reason.STORE_FULL,
            "the last room on the store's disk is kept for cancels; nothing was changed",
        )
    rows.stored_bytes[command.namespace] = stored
    rows.added_bytes += added


def _added(changes: Changes, rows: Rows) -> int:
    """Returns how many bytes more are stored, about."""
    tasks = sum(_task(task) for key, task in changes.tasks.items() if rows.tasks.get(key) is None)
    holders = sum(_holder(one, rows.holders.get(key)) for key, one in changes.holders.items())
    return (
        tasks + holders + sum(_cart(one, rows.carts.get(key)) for key, one in changes.carts.items())
    )


def _task(task: Task) -> int:
    said = sum(map(len, task.labels)) + sum(map(len, task.labels.values()))
    return ROW_BYTES + len(task.merchant) + said


def _holder(now: Holder, before: Holder | None) -> int:
    row = 0 if before is not None else ROW_BYTES
    if not isinstance(now, Checkout | Order) or now.snapshot is None:
        return row
    known = before.snapshot if isinstance(before, Checkout | Order) else None
    return row + len(now.snapshot) - len(known or b"")


def _cart(now: Cart, before: Cart | None) -> int:
    """Returns what a cart has more. Of one that there was, only its new lines are known."""
    row = 0 if before is not None else ROW_BYTES
    return row + len(now.line_items or b"")
