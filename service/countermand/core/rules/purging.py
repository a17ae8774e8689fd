"""What is removed once it is old: what keeps it all the same, and what goes with it.

Nothing goes that something else names: a task before its holders, a cart that is not ACTIVE and a
group with their checkout, a cancellation with its target.
"""

from collections.abc import Callable
from typing import NamedTuple

from countermand.core.answers import Purged
from countermand.core.changes import Id
from countermand.core.commands import NoteClock, Purge
from countermand.core.draft import Draft
from countermand.core.records import Checkout, Holder, Target, Task
from countermand.core.retention import Leftover
from countermand.core.rows import Rows, Wanted
from countermand.core.rules.holders import direct_targets, holders_of, wants_holders
from countermand.core.states import TargetKind, TaskState


class Way(NamedTuple):
    """How one kind of row is removed."""

    wants: Callable[[Id, Rows, Wanted], None]
    """Wants what it takes to decide whether a row may go."""
    remove: Callable[[Id, int, Draft], bool]
    """Removes an old row if nothing keeps it that is later than a time. Returns whether it did."""


def wants_to_purge(command: Purge, rows: Rows, wanted: Wanted) -> None:
    """A purge needs what its search comes upon, and all that may keep it."""
    wanted.search = command.search
    if rows.found is None or command.passes_by:
        return
    for key in rows.found.ids:
        WAYS[command.search.kind].wants(key, rows, wanted)


def purge(command: Purge, draft: Draft) -> Purged:
    """Removes what the search came upon, as far as nothing keeps it."""
    found = draft.rows.found
    if found is None or command.passes_by:
        return Purged(removed=0, after=None if found is None else found.after)
    kind, before = command.search.kind, command.search.holders_before
    removed = sum(WAYS[kind].remove(key, before, draft) for key in found.ids)
    for event in found.events:
        draft.remove(event)
    return Purged(removed + len(found.events), found.after)


def wants_to_note_clock(command: NoteClock, rows: Rows, wanted: Wanted) -> None:
    """A note of the clock needs nothing."""


def note_clock(command: NoteClock, draft: Draft) -> None:
    """Keeps how long servers ran."""
    draft.clock_stretches = command.stretches


def _wants_task(key: Id, rows: Rows, wanted: Wanted) -> None:
    wanted.tasks.add(key)
    task = rows.tasks.get(key)
    if task is None:
        return
    if task.cancellation_id is not None:
        wanted.cancellations.add((task.namespace, task.cancellation_id))
    wants_holders(direct_targets(task), rows, wanted)


def _remove_task(key: Id, before: int, draft: Draft) -> bool:
    """Removes a task that ended.

    What one cancel covered, and what belongs to a checkout, stays until all of it is old: the
    results of a cancellation are whole, and a checkout that is open knows what was completed.
    """
    return _remove_if(key, lambda holder: _idle(holder, before, draft), draft)


def _remove_owed_task(key: Id, before: int, draft: Draft) -> bool:
    """Removes a task whose refund nobody settled, though its money keeps what holds it."""
    return _remove_if(key, lambda holder: _at_rest(holder, before, draft), draft)


def _remove_if(key: Id, is_old: Callable[[Holder], bool], draft: Draft) -> bool:
    """Removes a task, and counts it in no holder any more, if all that must be is old."""
    task = draft.task(*key)
    if task is None:
        return False
    holders = holders_of(task, draft)
    as_one = any(isinstance(one, Checkout) or one.cancellation_id is not None for one in holders)
    if as_one and not all(map(is_old, holders)):
        return False
    for holder in holders:
        completed = task.state is TaskState.COMPLETED
        draft.save_holder(
            holder.evolve(
                task_count=holder.task_count - 1,
                completed_count=holder.completed_count - completed,
                owed_count=holder.owed_count - task.refund_required,
            )
        )
    _remove(task, draft)
    return True


def _wants_group(key: Id, rows: Rows, wanted: Wanted) -> None:
    wants_holders((Target(TargetKind.GROUP, *key),), rows, wanted)


def _remove_group(key: Id, before: int, draft: Draft) -> bool:
    """Removes an empty group. That of a checkout is not looked for: it goes with the checkout."""
    group = draft.group(*key)
    if group is None or not _empty(group, before, draft):
        return False
    _remove(group, draft)
    return True


def _wants_checkout(key: Id, rows: Rows, wanted: Wanted) -> None:
    target = Target(TargetKind.CHECKOUT, *key)
    wants_holders((target,), rows, wanted)
    checkout = rows.holders.get(target)
    if isinstance(checkout, Checkout) and checkout.group_id is not None:
        group = Target(TargetKind.GROUP, target.namespace, checkout.group_id)
        wants_holders((group,), rows, wanted)


def _remove_checkout(key: Id, before: int, draft: Draft) -> bool:
    """Removes an empty checkout with its group and the cart that it locks or closed.

    It stays as long as one of the orders that list it.
    """
    namespace, _ = key
    checkout = draft.checkout(*key)
    if checkout is None or not _empty(checkout, before, draft):
        return False
    group = None if checkout.group_id is None else draft.group(namespace, checkout.group_id)
    if group is not None and not _empty(group, before, draft):
        return False
    listing = [draft.order(namespace, order_id) for order_id in checkout.order_ids]
    orders = [order for order in listing if order is not None]
    if not all(_idle(order, before, draft) for order in orders):
        return False
    for order in orders:
        left = tuple(id for id in order.checkout_ids if id != checkout.checkout_id)
        draft.save_holder(order.evolve(checkout_ids=left))
    cart = None if checkout.cart_id is None else draft.cart(namespace, checkout.cart_id)
    if cart is not None and cart.checkout_id == checkout.checkout_id:
        draft.remove(cart)
    if group is not None:
        _remove(group, draft)
    _remove(checkout, draft)
    return True


def _wants_order(key: Id, rows: Rows, wanted: Wanted) -> None:
    target = Target(TargetKind.ORDER, *key)
    wants_holders((target,), rows, wanted)
    wanted.subgroups.add(target)


def _remove_order(key: Id, before: int, draft: Draft) -> bool:
    """Removes an empty order, when its checkouts and groups are gone."""
    order = draft.order(*key)
    if order is None or order.checkout_ids or draft.rows.subgroups[order.target]:
        return False
    if not _empty(order, before, draft):
        return False
    _remove(order, draft)
    return True


def _wants_cancellation(key: Id, rows: Rows, wanted: Wanted) -> None:
    wanted.cancellations.add(key)


def _remove_cancellation(key: Id, before: int, draft: Draft) -> bool:
    """Removes a cancellation that has no target which it could go with."""
    cancellation = draft.cancellation(*key)
    if cancellation is None or not cancellation.waited_in_vain:
        return False
    draft.remove(cancellation)
    return True


def _wants_cart(key: Id, rows: Rows, wanted: Wanted) -> None:
    wanted.carts.add(key)


def _remove_cart(key: Id, before: int, draft: Draft) -> bool:
    """Removes a cart that no checkout has."""
    cart = draft.cart(*key)
    if cart is None:
        return False
    draft.remove(cart)
    return True


def _wants_agent(key: Id, rows: Rows, wanted: Wanted) -> None:
    wanted.agents.add(key)


def _remove_agent(key: Id, before: int, draft: Draft) -> bool:
    """Removes an agent that was found lost, and so has no live task."""
    agent = draft.agent(*key)
    if agent is None:
        return False
    draft.remove(agent)
    return True


def _empty(holder: Holder, before: int, draft: Draft) -> bool:
    return holder.task_count == 0 and _idle(holder, before, draft)


def _idle(holder: Holder, before: int, draft: Draft) -> bool:
    """Whether nothing has happened to a holder for so long, nor to the money of its tasks, and
    nothing happens by itself; and no refund of any of these is required."""
    money_changed = holder.money_time is not None and holder.money_time > before
    return not (holder.owed_count or money_changed) and _at_rest(holder, before, draft)


def _at_rest(holder: Holder, before: int, draft: Draft) -> bool:
    """Whether nothing but the money of its tasks keeps a holder."""
    expires = isinstance(holder, Checkout) and holder.open and holder.expire_time is not None
    return (
        holder.live_count == 0
        and not expires
        and holder.update_time <= before
        and _ended_long_ago(holder, before, draft)
    )


def _ended_long_ago(holder: Holder, before: int, draft: Draft) -> bool:
    """Whether the cancel of a holder, if there was one, ended then and was not joined since."""
    if holder.cancellation_id is None:
        return True
    cancellation = draft.cancellation(holder.namespace, holder.cancellation_id)
    if cancellation is None:
        return True
    ended, joined = cancellation.end_time, cancellation.join_time or 0
    return ended is not None and max(ended, joined) <= before


def _remove(target: Task | Holder, draft: Draft) -> None:
    """Removes a target with its own cancellation."""
    draft.remove(target)
    if target.cancellation_id is None:
        return
    cancellation = draft.cancellation(target.namespace, target.cancellation_id)
    if cancellation is not None and cancellation.target == target.target:
        draft.remove(cancellation)


WAYS = {
    Leftover.TASK: Way(_wants_task, _remove_task),
    Leftover.OWED_TASK: Way(_wants_task, _remove_owed_task),
    Leftover.GROUP: Way(_wants_group, _remove_group),
    Leftover.CHECKOUT: Way(_wants_checkout, _remove_checkout),
    Leftover.ORDER: Way(_wants_order, _remove_order),
    Leftover.CANCELLATION: Way(_wants_cancellation, _remove_cancellation),
    Leftover.CART: Way(_wants_cart, _remove_cart),
    Leftover.AGENT: Way(_wants_agent, _remove_agent),
}
