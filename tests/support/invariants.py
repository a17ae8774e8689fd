"""What must be true of all rows after every command, whatever came before."""

from collections import Counter, defaultdict
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant

from countermand.core.cancellations import Cancellation
from countermand.core.log import Event, RecordEvent
from countermand.core.records import Checkout, Group, Order, Target, Task
from countermand.core.states import (
    CancellationState,
    CartState,
    ChargeState,
    CheckoutState,
    OrderState,
    RefundState,
    TargetKind,
    TaskState,
)
from tests.support.ask import target
from tests.support.world import World, key_of

S = TaskState


class RowInvariants:
    """What holds of the rows at any time, also of those that a store was left with."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.shrunk: set[Target] = set()
        """Holders of which old tasks are gone, so that their end cannot be told by the rest."""

    @invariant()
    def a_cancelling_task_has_a_deadline_and_a_cancellation(self) -> None:
        for (namespace, _), task in self.world.tasks.items():
            if task.state is S.CANCELLING:
                assert task.deadline_time is not None
                assert (namespace, task.cancellation_id) in self.world.cancellations

    @invariant()
    def a_refund_is_required_exactly_where_money_may_be_held_for_work_that_does_not_stand(
        self,
    ) -> None:
        """Where nobody settled it. Whatever else, no refund of a live task is."""
        for task in self.world.tasks.values():
            if not task.ended:
                assert (task.refund_state, task.settlement) == (RefundState.NONE, None)
            settled = task.settlement is not None and task.settlement.outcome is task.refund_state
            if self._is_held_for_nothing(task):
                assert task.refund_required or settled, task
            else:
                assert not task.refund_required, task

    def _is_held_for_nothing(self, task: Task) -> bool:
        if task.state is S.COMPLETED:
            undone = any(
                holder.cancellation_id is not None
                for key, holder in self.world.holders.items()
                if isinstance(holder, Checkout | Order) and self.world.is_under(task, key)
            )
            return undone and task.charge_state is ChargeState.CAPTURED
        return task.ended and task.charge_state in (ChargeState.BEGUN, ChargeState.CAPTURED)

    @invariant()
    def the_counts_of_a_holder_equal_a_recount(self) -> None:
        for key, holder in self.world.holders.items():
            states = [task.state for task in self.world.members(key)]
            assert holder.task_count == len(states)
            assert holder.live_count == sum(not state.ended for state in states)
            assert holder.completed_count == states.count(S.COMPLETED)
            owed = [task.refund_required for task in self.world.members(key)]
            assert holder.owed_count == sum(owed)

    @invariant()
    def a_cart_is_locked_exactly_while_its_checkout_runs(self) -> None:
        running = (CheckoutState.OPEN, CheckoutState.CANCELLING)
        for (namespace, _), cart in self.world.carts.items():
            assert (cart.checkout_id is None) == (cart.state is CartState.ACTIVE)
            if cart.checkout_id is None:
                continue
            checkout = self.world.holders[target("checkout", cart.checkout_id, namespace)]
            assert isinstance(checkout, Checkout)
            assert (cart.state is CartState.LOCKED) == (checkout.state in running)
            if cart.state is CartState.CLOSED:
                assert checkout.state is CheckoutState.COMPLETED

    @invariant()
    def an_open_checkout_has_its_cart(self) -> None:
        for checkout in self.world.holders.values():
            if isinstance(checkout, Checkout) and checkout.open and checkout.cart_id:
                cart = self.world.carts[checkout.namespace, checkout.cart_id]
                assert (cart.state, cart.checkout_id) == (CartState.LOCKED, checkout.checkout_id)

    @invariant()
    def a_checkout_says_how_its_tasks_ended(self) -> None:
        for key, checkout in self.world.holders.items():
            if not isinstance(checkout, Checkout) or key in self.shrunk:
                continue
            states = {task.state for task in self.world.members(key)}
            if checkout.state is CheckoutState.CANCELLED:
                assert not any(not state.ended for state in states)
                assert S.COMPLETED not in states
            if checkout.state is CheckoutState.PARTIALLY_CANCELLED:
                assert not any(not state.ended for state in states)
                assert S.COMPLETED in states
            if checkout.state is CheckoutState.CANCELLING:
                assert any(not state.ended for state in states)
            ended = checkout.state in (CheckoutState.CANCELLED, CheckoutState.PARTIALLY_CANCELLED)
            assert (checkout.cancel_time is not None) == ended

    @invariant()
    def an_order_says_how_its_cancel_ended(self) -> None:
        for key, order in self.world.holders.items():
            if not isinstance(order, Order) or order.cancellation_id is None:
                continue
            if key in self.shrunk:
                continue
            cancel = self.world.cancellations[order.namespace, order.cancellation_id]
            later = [t for t in self.world.members(key) if (t.end_seq or 0) > cancel.seq]
            completed = any(task.state is S.COMPLETED for task in later)
            if order.live_count:
                assert order.state is OrderState.CANCELLING
            elif completed:
                assert order.state is OrderState.PARTIALLY_CANCELLED
            else:
                assert order.state is OrderState.CANCELLED
            assert order.cancel_time is not None

    @invariant()
    def a_checkout_knows_the_orders_that_list_it(self) -> None:
        listed = defaultdict(set)
        for order in self.world.holders.values():
            if isinstance(order, Order):
                for checkout_id in order.checkout_ids:
                    listed[order.namespace, checkout_id].add(order.order_id)
        for checkout in self.world.holders.values():
            if isinstance(checkout, Checkout):
                key = (checkout.namespace, checkout.checkout_id)
                assert checkout.order_ids == tuple(sorted(listed[key]))

    @invariant()
    def the_counts_and_state_of_a_cancellation_equal_a_recount(self) -> None:
        for record in self.world.cancellations.values():
            if record.target in self.shrunk:
                continue
            covered = self.world.covered(record)
            live = sum(not task.ended for task in covered)
            stopped = [t for t in covered if t.state is S.CANCELLED and _after(t, record)]
            assert record.live_count == live
            assert record.completed_count == _completed(record, covered)
            proofs = Counter(task.cancel_proof for task in stopped)
            assert sum(record.proofs) == len(stopped)
            assert sorted(filter(None, record.proofs)) == sorted(proofs.values())
            assert (record.state is CancellationState.IN_PROGRESS) == (live > 0 or record.waiting)
            assert (record.end_time is None) == (record.state is CancellationState.IN_PROGRESS)

    @invariant()
    def one_cancel_at_most_waits_for_a_task_and_none_for_one_that_is_there(self) -> None:
        waiting = [x.target for x in self.world.cancellations.values() if x.waiting]
        assert len(waiting) == len(set(waiting))
        assert not {task.target for task in self.world.tasks.values()} & set(waiting)


class Invariants(RowInvariants, RuleBasedStateMachine):
    """These, and what holds of the log and over time."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: dict[object, Task] = {}
        self.fences: dict[object, int] = {}
        self.cancelled_holders: dict[object, int] = {}

    @invariant()
    def an_end_never_changes(self) -> None:
        for key, task in self.world.tasks.items():
            if key in self.ended:
                assert _end(task) == self.ended[key]
            elif task.ended:
                self.ended[key] = _end(task)

    @invariant()
    def a_fence_only_grows(self) -> None:
        for key, task in self.world.tasks.items():
            assert task.fence >= self.fences.get(key, 0)
            self.fences[key] = task.fence

    @invariant()
    def events_are_gap_free_per_namespace_and_per_task(self) -> None:
        places, versions, last = defaultdict(list), defaultdict(list), {}
        for event in self.world.log():
            places[event.namespace].append(event.seq)
            if isinstance(event, Event) and event.task is not None:
                key = (event.namespace, event.task.task_id)
                if event.joined is None:
                    versions[key].append(event.task.version)
                assert event.previous_seq == last.get(key, 0)
                last[key] = event.seq
        for namespace, found in places.items():
            assert found == list(range(1, len(found) + 1))
            assert self.world.positions[namespace] == len(found)
        for key, task in self.world.tasks.items():
            assert versions[key] == list(range(1, task.version + 1))
            assert last[key] == task.seq

    @invariant()
    def every_version_of_a_holder_and_every_accept_and_end_of_a_cancel_is_in_the_log(self) -> None:
        _expect_records_logged(self.world)

    @invariant()
    def a_refund_is_settled_once_each_time_that_it_is_required(self) -> None:
        before: dict[object, RefundState] = {}
        for event in self.world.events:
            if event.task is None:
                continue
            key, now = (event.namespace, event.task.task_id), event.task.refund_state
            was = before.get(key, RefundState.NONE)
            assert now is was or RefundState.REQUIRED in (now, was), event.task
            assert now is not RefundState.NONE or was is RefundState.NONE, event.task
            before[key] = now

    @invariant()
    def a_cancelled_holder_takes_no_tasks(self) -> None:
        for key, holder in self.world.holders.items():
            if holder.cancellation_id is not None:
                assert not holder.open
                count = self.cancelled_holders.setdefault(key, holder.task_count)
                assert holder.task_count == count

    @invariant()
    def a_holder_is_over_in_the_log_exactly_once_when_it_is_over(self) -> None:
        overs = Counter(target for event in self.world.events for target in event.over)
        for key, holder in self.world.holders.items():
            born_over = holder.over and holder.task_count == 0 and overs[key] == 0
            assert overs[key] == holder.over or (isinstance(holder, Group) and born_over)


def _expect_records_logged(world: World) -> None:
    """Each of what is there, once, in order and chained; and of what is gone nothing."""
    said: dict[object, list[RecordEvent]] = defaultdict(list)
    for event in world.records:
        found = said[key_of(event.record)]
        assert event.previous_seq == (found[-1].seq if found else 0)
        found.append(event)
    holders = {k: one for k, one in world.holders.items() if not isinstance(one, Group)}
    there: dict[object, Any] = {**holders, **world.cancellations}
    assert said.keys() == there.keys()
    for key, record in there.items():
        then, last = [event.record for event in said[key]], said[key][-1]
        assert (last.seq, last.record.state) == (record.last_seq, record.state)
        if isinstance(record, Cancellation):
            assert len({one.state for one in then}) == len(then) <= 2
        else:
            assert [getattr(one, "version", 0) for one in then] == [*range(1, record.version + 1)]


def _completed(record: Cancellation, covered: list[Task]) -> int:
    """C of rule 8."""
    of_order = record.target.kind is TargetKind.ORDER
    return sum(t.state is S.COMPLETED and (not of_order or _after(t, record)) for t in covered)


def _after(task: Task, record: Cancellation) -> bool:
    """Whether a task ended after a cancel was accepted."""
    return (task.end_seq or 0) > record.seq


def _end(task: Task) -> Task:
    """Returns what an end fixed: all but what is said of money, which makes versions."""
    return task.evolve(
        version=0,
        update_time=0,
        seq=0,
        charge_state=ChargeState.NONE,
        late_reports=0,
        refund_state=RefundState.NONE,
        settlement=None,
    )
