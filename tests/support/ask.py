"""Short ways to write commands: a test names what matters to it, the rest has a default."""

from collections.abc import Generator
from itertools import product
from typing import Any

from countermand.core import commands as c
from countermand.core.answers import Purged
from countermand.core.caller import Caller
from countermand.core.keys import Key
from countermand.core.records import SECOND, Target
from countermand.core.refunds import SettleRefund
from countermand.core.retention import (
    MAX_OWED_RETENTIONS,
    Leftover,
    Old,
    Search,
    Spot,
    search_old,
)
from countermand.core.states import ChargeState, OrderState, RefundState, TargetKind, TaskState
from countermand.core.trace import TraceContext
from countermand.core.updates import UpdateCheckout

NS = 1
OTHER = 2
AGENT = "agent-1"
TRACE = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True, "a=1")
CALLER = Caller("key-1", TRACE, "shop.example")
FIRST_TIME = 1_700_000_000 * SECOND
"""A day in November 2023, when every test of the rules begins."""


def uid(number: int) -> str:
    """Returns a UUID that a reader can tell apart from others by its last digits."""
    return f"00000000-0000-4000-8000-{number:012x}"


T1, T2, T3, T4 = (uid(number) for number in range(1, 5))
G1, G2 = uid(0xA1), uid(0xA2)
R1, R2, R3 = uid(0xB1), uid(0xB2), uid(0xB3)


X1, X2 = "checkout_1", "checkout_2"
C1, C2 = "cart_1", "cart_2"
O1, O2 = "order_1", "order_2"
XG1, XG2 = uid(0xC1), uid(0xC2)
"""The groups of the checkouts."""


def target(kind: str, id: str, ns: int = NS) -> Target:
    return Target(TargetKind(kind.upper()), ns, id)


def new(task_id: str = T1, group_id: str | None = None, **fields: Any) -> c.NewTask:
    return c.NewTask(
        task_id, group_id, fields.pop("merchant", "shop"), fields.pop("labels", {}), **fields
    )


def create(
    task_id: str = T1, group_id: str | None = None, *, ns: int = NS, **fields: Any
) -> c.CreateTask:
    return c.CreateTask(ns, new(task_id, group_id, **fields))


def create_group(
    *task_ids: str, group_id: str = G1, closed: bool = False, ns: int = NS, **parents: Any
) -> c.CreateGroup:
    tasks = tuple(new(id, group_id) for id in task_ids)
    return c.CreateGroup(ns, group_id, closed, tasks, **parents)


def create_checkout(
    *task_ids: str,
    checkout_id: str = X1,
    cart_id: str | None = None,
    group_id: str | None = None,
    ns: int = NS,
    **fields: Any,
) -> c.CreateCheckout:
    own = {X1: XG1, X2: XG2}.get(checkout_id, XG1)
    return c.CreateCheckout(
        **{
            "namespace": ns,
            "checkout_id": checkout_id,
            "cart_id": cart_id,
            "group_id": group_id or own,
            "snapshot": b"snapshot",
            "line_items": b"lines",
            "expire_time": None,
            "tasks": tuple(new(id) for id in task_ids),
            "supersede": False,
            "caller": CALLER,
        }
        | fields
    )


def complete(checkout_id: str = X1, *, ns: int = NS) -> c.CompleteCheckout:
    return c.CompleteCheckout(ns, checkout_id)


def change_cart(cart_id: str = C1, lines: bytes = b"other lines", *, ns: int = NS) -> c.ChangeCart:
    return c.ChangeCart(ns, cart_id, lines, Caller("key-2", TRACE))


def create_order(
    *task_ids: str,
    order_id: str = O1,
    checkout_ids: tuple[str, ...] = (),
    data: bytes = b"order",
    fulfilled: bool = False,
    state: OrderState = OrderState.OPEN,
    ns: int = NS,
) -> c.CreateOrder:
    tasks = tuple(new(id) for id in task_ids)
    return c.CreateOrder(ns, order_id, checkout_ids, SHIPPED * fulfilled + data, tasks, state)


SHIPPED = b"shipped "
"""With what the snapshot of an order begins here if goods have left."""


def goods_left(snapshot: bytes) -> bool:
    return snapshot.startswith(SHIPPED)


class Merge:
    """Gives an order a new snapshot; two that give the same are equal."""

    def __init__(self, data: bytes | None, fulfilled: bool) -> None:
        self.said = (data, fulfilled)

    def __call__(self, data: bytes) -> bytes:
        new_data, fulfilled = self.said
        return SHIPPED * fulfilled + (data.removeprefix(SHIPPED) if new_data is None else new_data)


def update_order(
    order_id: str = O1,
    *,
    data: bytes | None = None,
    fulfilled: bool = False,
    checkout_ids: tuple[str, ...] | None = None,
    close: bool = False,
    ns: int = NS,
) -> c.UpdateOrder:
    return c.UpdateOrder(ns, order_id, Merge(data, fulfilled), checkout_ids, close)


def update_checkout(
    checkout_id: str = X1,
    *,
    data: bytes | None = None,
    expected_version: int | None = None,
    ns: int = NS,
    **expiry: int | None,
) -> UpdateCheckout:
    """Gives a checkout a new snapshot, and, if it is named, a new `expire_time`."""
    return UpdateCheckout(
        ns,
        checkout_id,
        Merge(data, fulfilled=False),
        expiry.get("expire_time"),
        "expire_time" in expiry,
        expected_version,
    )


def start(
    task_id: str = T1, agent_id: str = AGENT, *, lease: int = 3600 * SECOND, ns: int = NS
) -> c.StartTask:
    return c.StartTask(ns, task_id, agent_id, lease)


def renew(agent_id: str = AGENT, *, lease: int = 30 * SECOND, ns: int = NS) -> c.RenewLease:
    return c.RenewLease(ns, agent_id, lease)


def finish(
    task_id: str = T1,
    outcome: TaskState = TaskState.COMPLETED,
    *,
    fence: int = 1,
    message: str = "",
    ns: int = NS,
) -> c.FinishTask:
    return c.FinishTask(ns, task_id, fence, outcome, message)


def completed(task_id: str = T1, **fields: Any) -> c.FinishTask:
    return finish(task_id, TaskState.COMPLETED, **fields)


def failed(task_id: str = T1, **fields: Any) -> c.FinishTask:
    return finish(task_id, TaskState.FAILED, **fields)


def acknowledged(task_id: str = T1, **fields: Any) -> c.FinishTask:
    return finish(task_id, TaskState.CANCELLED, **fields)


def charge(task_id: str = T1, *, fence: int = 1, ns: int = NS) -> c.BeginCharge:
    return c.BeginCharge(ns, task_id, fence)


def charged(
    task_id: str = T1,
    state: ChargeState = ChargeState.CAPTURED,
    *,
    fence: int = 1,
    ns: int = NS,
) -> c.ReportCharge:
    return c.ReportCharge(ns, task_id, fence, state)


def settle(
    task_id: str = T1,
    outcome: RefundState = RefundState.REFUNDED,
    *,
    amount: int | None = None,
    currency: str = "",
    note: str = "",
    request_id: str | None = None,
    ns: int = NS,
    by: str = "key-1",
) -> SettleRefund:
    return SettleRefund(ns, task_id, outcome, amount, currency, note, request_id, by)


def _cancel(target_id: str, fields: dict[str, Any]) -> dict[str, Any]:
    grace = fields.pop("grace", 30 * SECOND)
    return {
        "namespace": fields.pop("ns", NS),
        "target_id": target_id,
        "reason": "customer_requested",
        "message": "please stop",
        "request_id": None,
        "grace_period": grace,
        "expected_version": None,
        "validate_only": False,
        "on_behalf_of": "",
        "caller": CALLER,
    } | fields


def cancel(task_id: str = T1, **fields: Any) -> c.CancelTask:
    return c.CancelTask(**_cancel(task_id, fields))


def cancel_group(group_id: str = G1, **fields: Any) -> c.CancelGroup:
    return c.CancelGroup(**_cancel(group_id, fields))


def cancel_checkout(checkout_id: str = X1, **fields: Any) -> c.CancelCheckout:
    return c.CancelCheckout(**_cancel(checkout_id, fields))


def cancel_order(order_id: str = O1, **fields: Any) -> c.CancelOrder:
    return c.CancelOrder(**_cancel(order_id, fields), goods_left=goods_left)


def reap(limit: int = 1000) -> c.Reap:
    return c.Reap(0, limit)


ANY_BYTES = 1 << 40


def purge(
    kind: Leftover,
    before: int,
    *,
    after: Spot | None = None,
    limit: int = 1000,
    max_bytes: int = ANY_BYTES,
    ns: int = NS,
) -> c.Purge:
    return c.Purge(0, Search(kind, ns, before, after or Spot(), limit, max_bytes, before))


def purges(now: int, retention: int, limit: int = 1000) -> Generator[c.Purge, Purged, int]:
    """Yields one purge after the other until all that is old is gone; send it each answer.

    Returns how many rows went.
    """
    removed, old = 0, Old(now - retention, now - MAX_OWED_RETENTIONS * retention)
    for namespace, kind in product((NS, OTHER), Leftover):
        after: Spot | None = Spot()
        while after is not None:
            search = search_old(kind, old, namespace, after, limit, ANY_BYTES)
            purged = yield c.Purge(0, search)
            removed, after = removed + purged.removed, purged.after
    return removed


def key(key_id: str = "key-1", tenant: str = "acme", environment: str = "sandbox") -> Key:
    return Key(key_id, tenant, environment, ("tasks:read",), bytes(32), 0)
