"""Random interleavings of all commands, held to a small model and to what must always be true.

It tries the same sequences every time. COUNTERMAND_EXAMPLES=5000 tries that many new ones.
"""

import os
from collections.abc import Callable
from itertools import takewhile
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from countermand.core import commands as c
from countermand.core.cancellations import MAX_JOINS
from countermand.core.errors import Refused
from countermand.core.records import SECOND, Checkout, Group, Order, Task
from countermand.core.states import (
    ChargeState,
    RefundState,
    TargetKind,
    TaskState,
)
from countermand.engine.write_queue import LARGE
from tests.support import ask, strategies
from tests.support.invariants import Invariants
from tests.support.model_sales import Model
from tests.support.world import World

S = TaskState
EXAMPLES = int(os.environ.get("COUNTERMAND_EXAMPLES", "0"))
OUTCOMES = [S.COMPLETED, S.COMPLETED, S.FAILED, S.CANCELLED]
CANCELS: dict[TargetKind, Callable[..., c.Command]] = {
    TargetKind.GROUP: ask.cancel_group,
    TargetKind.CHECKOUT: ask.cancel_checkout,
    TargetKind.ORDER: ask.cancel_order,
}


class Countermand(Invariants):
    def __init__(self) -> None:
        super().__init__()
        self.model = Model()

    @rule(
        group_id=strategies.group_ids,
        ids=st.lists(strategies.task_ids, unique=True, max_size=4),
        agent=strategies.agents,
    )
    def begin_a_group(self, group_id: str, ids: list[str], agent: str) -> None:
        self._run([ask.create_group(*ids, group_id=group_id)])
        self._run([ask.start(id, agent) for id in ids[:2]])

    @rule(
        ids=st.lists(strategies.task_ids, unique=True, max_size=4),
        checkout_id=strategies.checkout_ids,
        cart_id=st.none() | strategies.cart_ids,
        listed=st.lists(strategies.order_ids, unique=True, max_size=2),
        started=st.integers(0, 4),
        finished=st.booleans(),
        superseded=st.booleans(),
    )
    def begin_a_sale(
        self,
        ids: list[str],
        checkout_id: str,
        cart_id: str | None,
        listed: list[str],
        started: int,
        finished: bool,
        superseded: bool,
    ) -> None:
        """A checkout, some of whose tasks run, and orders that list it."""
        half = ids[: len(ids) // 2 + 1]
        create = ask.create_checkout(*half, checkout_id=checkout_id, cart_id=cart_id)
        self._run([create])
        for order_id in listed:
            rest = ids[len(half) :] if order_id == listed[0] else []
            order = ask.create_order(*rest, order_id=order_id, checkout_ids=(checkout_id,))
            self._run([order])
        self._run([ask.start(id) for id in ids[:started]])
        if finished:
            self._run([ask.completed(id) for id in ids[:1]])
        if superseded and cart_id is not None:
            fields = {"checkout_id": f"after_{checkout_id}", "cart_id": cart_id}
            self._run([ask.create_checkout(supersede=True, **fields)])

    @rule(command=strategies.commands)
    def do_one(self, command: c.Command) -> None:
        self._run([command])

    @rule(batch=strategies.batches, reaps=st.integers(0, 16))
    def do_a_batch(self, batch: list[c.Command], reaps: int) -> None:
        if reaps <= len(batch):
            # What a batch itself makes due is left to the next one.
            clean = [*takewhile(lambda x: not _is_due_at_once(x, self.world.now), batch)]
            batch.insert(min(reaps, len(clean)), ask.reap())
        assert not any(isinstance(command, LARGE) for command in batch)
        self._run(batch)

    @precondition(lambda self: self.world.tasks)
    @rule(seconds=st.sampled_from([0, 1, 5, 30, 4000, 86_400]))
    def reap_later(self, seconds: int) -> None:
        self.world.now += seconds * SECOND
        self._run([ask.reap()])

    @precondition(lambda self: self.world.tasks)
    @rule(data=st.data())
    def bring_it_on(self, data: Any) -> None:
        """Something that is possible now, so that sequences come far."""
        task = data.draw(st.sampled_from(list(self.world.tasks.values())))
        fields = {"fence": task.start_fence, "ns": task.namespace}
        if task.state is S.PENDING:
            self._run([ask.start(task.task_id, ns=task.namespace)])
            return
        if task.refund_required and data.draw(st.booleans()):
            outcome = data.draw(st.sampled_from([RefundState.REFUNDED, RefundState.NOT_OWED]))
            request_id = data.draw(strategies.request_ids)
            self._run([ask.settle(task.task_id, outcome, request_id=request_id, ns=task.namespace)])
            return
        way = data.draw(st.integers(0, 2))
        if way == 0:
            self._run([ask.charge(task.task_id, **fields)])
        elif way == 1:
            state = data.draw(st.sampled_from(list(ChargeState)[2:]))
            self._run([ask.charged(task.task_id, state, **fields)])
        else:
            self._run([_finish(task, data.draw(st.sampled_from(OUTCOMES)))])

    @precondition(lambda self: self.world.tasks)
    @rule(outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=4))
    def bring_some_to_their_end(self, outcomes: list[TaskState]) -> None:
        live = [task for task in self.world.tasks.values() if not task.ended]
        running = [task for task in live if task.state is not S.PENDING]
        self._run([_finish(task, x) for task, x in zip(running, outcomes, strict=False)])

    @precondition(lambda self: _waiting(self.world))
    @rule(data=st.data(), into=st.none() | strategies.all_group_ids, way=st.integers(0, 3))
    def bring_what_a_cancel_waits_for(self, data: Any, into: str | None, way: int) -> None:
        ns, id = data.draw(st.sampled_from(_waiting(self.world)))
        made = f"made_{len(self.world.holders)}"
        group = ask.uid(0xE00 + len(self.world.holders))
        creations = (
            ask.create(id, into, ns=ns),
            ask.create_group(id, group_id=group, ns=ns),
            ask.create_checkout(id, checkout_id=made, group_id=group, ns=ns),
            ask.create_order(id, order_id=made, ns=ns),
        )
        self._run([creations[way]])

    @precondition(lambda self: self.world.holders)
    @rule(data=st.data(), fields=strategies.cancel_fields)
    def cancel_what_is_there(self, data: Any, fields: dict[str, Any]) -> None:
        found = data.draw(st.sampled_from(list(self.world.holders)))
        cancel = CANCELS[found.kind]
        rare = {"expected_version": None, "request_id": None}
        self._run([cancel(found.id, **fields | rare | {"ns": found.namespace})])

    @precondition(lambda self: self.world.holders)
    @rule(data=st.data(), task_id=strategies.task_ids, starts=st.booleans())
    def join_what_is_there(self, data: Any, task_id: str, starts: bool) -> None:
        found = data.draw(st.sampled_from(list(self.world.holders)))
        also = data.draw(st.none() | st.sampled_from(list(self.world.holders)))
        named = {f"{also.kind.lower()}_id": also.id} if also is not None else {}
        named[f"{found.kind.lower()}_id"] = found.id
        create = ask.create(task_id, **named, ns=found.namespace)
        self._run([create, *[ask.start(task_id, ns=found.namespace)] * starts])

    @precondition(lambda self: _of(self.world, Checkout))
    @rule(data=st.data(), way=st.sampled_from([0, 1, 2, 2]), ids=strategies.few_tasks)
    def go_on_with_a_checkout(self, data: Any, way: int, ids: list[str]) -> None:
        every = _of(self.world, Checkout)
        running = [x for x in every if x.live_count and not x.over]
        found = data.draw(st.sampled_from(running or every))
        ns, cart_id = found.namespace, found.cart_id
        if way == 0 or cart_id is None:
            self._run([ask.complete(found.checkout_id, ns=ns)])
        elif way == 1:
            self._run([ask.change_cart(cart_id, ns=ns)])
        else:
            made = f"checkout_{len(self.world.holders)}"
            group = ask.uid(0xD00 + len(self.world.holders))
            fields = {"checkout_id": made, "cart_id": cart_id, "group_id": group, "ns": ns}
            self._run([ask.create_checkout(*ids, supersede=True, **fields)])

    @precondition(lambda self: _of(self.world, Order))
    @rule(data=st.data(), close=st.sampled_from([False, False, False, True]))
    def go_on_with_an_order(self, data: Any, close: bool) -> None:
        found = data.draw(st.sampled_from(_of(self.world, Order)))
        ids = [x.checkout_id for x in _of(self.world, Checkout) if x.namespace == found.namespace]
        subset = st.lists(st.sampled_from(ids), unique=True).map(tuple) if ids else st.just(())
        listed = data.draw(st.none() | subset)
        fields = {"checkout_ids": listed, "close": close, "ns": found.namespace}
        self._run([ask.update_order(found.order_id, **fields)])

    def _run(self, batch: list[c.Command]) -> None:
        """Runs a batch, and the same one by one, and both as the model says."""
        before = self.world.copy()
        alone = self.world.copy()
        answers = self.world.run(*batch)
        assert [_gist(answer) for answer in answers] == [
            _gist(answer) for command in batch for answer in alone.run(command)
        ]
        assert self.world.rows() == alone.rows()
        for command, answer in zip(batch, answers, strict=True):
            expected = self.model.do(command, self.world.now)
            got = answer.reason if isinstance(answer, Refused) else None
            assert got is expected, command
        self._charges_come_before_cancels(before)

    def _charges_come_before_cancels(self, before: World) -> None:
        """No charge begins on a task that is CANCELLING or has ended."""
        for event in self.world.events[len(before.events) :]:
            task = event.task
            if task is not None and task.state is S.CANCELLING:
                began = task.charge_state is ChargeState.BEGUN
                earlier = [
                    e.task.charge_state
                    for e in self.world.events
                    if e.task is not None and e.seq == event.previous_seq
                    if e.namespace == event.namespace
                ]
                assert not began or earlier == [ChargeState.BEGUN]

    @invariant()
    def tasks_are_as_the_model_has_them(self) -> None:
        assert {
            key: (t.group_id, t.checkout_id, t.order_id, t.state, t.version, t.fence, t.agent_id)
            for key, t in self.world.tasks.items()
        } == {
            key: (t.group, t.checkout, t.order, t.state, t.version, t.fence, t.agent)
            for key, t in self.model.tasks.items()
        }
        assert {
            key: (t.deadline_time, t.cancel_proof, t.charge_state, t.refund_state, t.settlement)
            for key, t in self.world.tasks.items()
        } == {
            key: (t.deadline, t.proof, t.charge, t.refund, t.settled)
            for key, t in self.model.tasks.items()
        }
        leases = {key: agent.lease_expire_time for key, agent in self.world.agents.items()}
        assert leases == self.model.leases

    @invariant()
    def holders_and_carts_are_as_the_model_has_them(self) -> None:
        ids = [key for _, key in self.world.cancellations]
        assert {
            key: (_state(h), h.version, h.cancellation_id) for key, h in self.world.holders.items()
        } == {
            key: (h.state, h.version, None if h.cancel is None else ids[h.cancel])
            for key, h in self.model.holders.items()
        }
        assert {
            key: (cart.state, cart.checkout_id, cart.line_items, cart.version)
            for key, cart in self.world.carts.items()
        } == {
            key: (cart.state, cart.checkout, cart.lines, cart.version)
            for key, cart in self.model.carts.items()
        }

    @invariant()
    def cancellations_are_as_the_model_has_them(self) -> None:
        model = self.model
        assert [
            (x.target, str(x.state), x.reason, x.stopped_count, x.completed_count)
            for x in self.world.cancellations.values()
        ] == [
            (
                x.target,
                x.state(model.tasks),
                x.reason,
                x.stopped(model.tasks),
                x.completed(model.tasks),
            )
            for x in model.cancels
        ]
        assert [
            (x.join_count, [(join.reason, join.request_id) for join in x.joins])
            for x in self.world.cancellations.values()
        ] == [(len(x.joins), x.joins[:MAX_JOINS]) for x in model.cancels]
        ids = [key for _, key in self.world.cancellations]
        for key, task in model.tasks.items():
            named = self.world.tasks[key].cancellation_id
            assert named == (None if task.cancel is None else ids[task.cancel])
        assert {key: r.answer_id for key, r in self.world.request_ids.items()} == {
            key: by if isinstance(by, str) else ids[by] for key, (_, by) in model.requests.items()
        }
        joined = {request_id for x in model.cancels for _, request_id in x.joins}
        assert {key[1] for key, r in self.world.request_ids.items() if r.joined} == joined - {None}


def _finish(task: Task, outcome: TaskState) -> c.Command:
    return ask.finish(task.task_id, outcome, fence=task.fence, ns=task.namespace)


def _is_due_at_once(command: c.Command, now: int) -> bool:
    if isinstance(command, c.CreateTask):
        return command.task.expire_time is not None and command.task.expire_time <= now
    return isinstance(command, c.CancelTask) and command.grace_period == 0


def _of(world: World, kind: type[Any]) -> list[Any]:
    return [holder for holder in world.holders.values() if isinstance(holder, kind)]


def _waiting(world: World) -> list[tuple[int, str]]:
    """The tasks that are yet to be created, and cancelled already."""
    return [(x.namespace, x.target.id) for x in world.cancellations.values() if x.waiting]


def _state(holder: Any) -> str:
    if isinstance(holder, Group):
        return "CLOSED" if holder.closed else "OPEN"
    return str(holder.state)


def _gist(answer: object) -> object:
    """What of an answer can be compared: two refusals are equal if they say the same."""
    return (answer.args, answer.metadata) if isinstance(answer, Refused) else answer


# Finding the shortest failing sequence, and longer runs, may take their time.
TestCountermand = pytest.mark.timeout(900)(Countermand.TestCase)
TestCountermand.settings = settings(
    max_examples=EXAMPLES or 150,
    stateful_step_count=50 if EXAMPLES else 40,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
