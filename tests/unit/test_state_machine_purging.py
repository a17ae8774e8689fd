"""Random interleavings of all commands with purges: only what is old and free goes, and all of it.

It tries the same sequences every time. COUNTERMAND_EXAMPLES=5000 tries that many new ones.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from countermand.core import commands as c
from countermand.core.log import Event
from countermand.core.records import Checkout, Group, Order, Target, Task
from countermand.core.retention import DAY
from countermand.core.states import CartState
from tests.support import ask
from tests.support.ask import target
from tests.support.world import World
from tests.unit.test_state_machine import CANCELS, EXAMPLES, Countermand

RETENTION = 30 * DAY
KINDS = ("tasks", "holders", "carts", "agents", "cancellations", "request_ids")


class Purging(Countermand):
    """What the model and the whole log say is left to the machine that never purges."""

    def __init__(self) -> None:
        super().__init__()
        self.given: dict[object, int] = {}
        """When each request id was given."""

    tasks_are_as_the_model_has_them = None
    holders_and_carts_are_as_the_model_has_them = None
    cancellations_are_as_the_model_has_them = None
    a_holder_is_over_in_the_log_exactly_once_when_it_is_over = None

    def _run(self, batch: list[c.Command]) -> None:
        self.world.run(*batch)
        for key in self.world.request_ids:
            self.given.setdefault(key, self.world.now)

    @precondition(lambda self: self.world.tasks)
    @rule(data=st.data())
    def cancel_with_a_request_id(self, data: Any) -> None:
        tasks = [task.target for task in self.world.tasks.values()]
        found = data.draw(st.sampled_from([*tasks, *self.world.holders]))
        cancel = CANCELS.get(found.kind, ask.cancel)
        request_id = ask.uid(0xB00 + len(self.world.request_ids))
        self._run([cancel(found.id, request_id=request_id, ns=found.namespace)])

    @precondition(lambda self: len(self.world.tasks) > 2)
    @rule()
    def let_all_end(self) -> None:
        live = [task for task in self.world.tasks.values() if not task.ended]
        self._run([ask.cancel(task.task_id, grace=0, ns=task.namespace) for task in live])
        self._run([ask.reap()])

    @rule(days=st.sampled_from([1, 10, 20, 280]))
    def let_time_pass(self, days: int) -> None:
        self.world.now += days * DAY
        self._run([ask.reap()])

    @rule(days=st.sampled_from([0, 10, 29, 31]), limit=st.sampled_from([1, 2, 5, 1000]))
    def purge(self, days: int, limit: int) -> None:
        self.world.now += days * DAY
        self._run([ask.reap()])
        before = self.world.copy()
        members = {key: len(before.members(key)) for key in before.holders}
        oldest = self.world.now - RETENTION
        self.world.purge(RETENTION, limit, check=self._check_between_pieces)
        self._only_what_is_old_went(before, oldest)
        self._what_is_kept_is_as_it_was(before, oldest)
        _all_that_is_old_went(self.world, oldest)
        for key, holder in self.world.holders.items():
            as_one = isinstance(holder, Checkout) or holder.cancellation_id is not None
            if as_one and holder.task_count < members[key]:
                self.shrunk.add(key)
        self._forget_what_went()

    def _check_between_pieces(self) -> None:
        self.the_counts_of_a_holder_equal_a_recount()
        self.a_cart_is_locked_exactly_while_its_checkout_runs()
        self.events_are_gap_free_per_namespace_and_per_task()
        self.what_is_named_is_there()

    def _forget_what_went(self) -> None:
        """Its ids are free again."""
        world = self.world
        self.ended = {key: task for key, task in self.ended.items() if key in world.tasks}
        self.fences = {key: fence for key, fence in self.fences.items() if key in world.tasks}
        self.given = {key: time for key, time in self.given.items() if key in world.request_ids}
        self.shrunk &= world.holders.keys()
        self.cancelled_holders = {}

    def _only_what_is_old_went(self, before: World, oldest: int) -> None:
        gone = {kind: _gone(kind, before, self.world) for kind in KINDS}
        for task in gone["tasks"].values():
            assert task.ended
            assert _is_old_task(task, oldest)
        for holder in gone["holders"].values():
            assert holder.live_count == 0
            assert holder.update_time <= oldest
        for cart in gone["carts"].values():
            assert cart.update_time <= oldest
        for agent in gone["agents"].values():
            assert agent.lease_expire_time is None
            assert agent.lost_time <= oldest
        for record in gone["cancellations"].values():
            assert max(record.end_time, record.join_time or 0) <= oldest
        for key in gone["request_ids"]:
            assert self.given[key] <= oldest

    def _what_is_kept_is_as_it_was(self, before: World, oldest: int) -> None:
        for kind in KINDS:
            for key, row in getattr(self.world, kind).items():
                assert _comparable(row) == _comparable(getattr(before, kind)[key])
        for key, holder in self.world.holders.items():
            if isinstance(holder, Order) and not _is_old(holder, self.world, oldest):
                assert holder.checkout_ids == before.holders[key].checkout_ids
        kept = [event for event in before.events if _is_kept(event, self.world)]
        assert [event for event in self.world.events if event.task is not None] == kept

    @invariant()
    def events_are_gap_free_per_namespace_and_per_task(self) -> None:
        """Per task; of a namespace, the floor says where there is no gap any more."""
        versions: dict[object, list[int]] = {}
        places: dict[int, list[int]] = {}
        for event in self.world.log():
            places.setdefault(event.namespace, []).append(event.seq)
            if isinstance(event, Event) and event.task is not None and event.joined is None:
                key = (event.namespace, event.task.task_id)
                versions.setdefault(key, []).append(event.task.version)
        for key, task in self.world.tasks.items():
            assert versions.pop(key) == list(range(1, task.version + 1))
        assert not versions
        for namespace, last in self.world.positions.items():
            floor = self.world.floors.get(namespace, (0, 0))[0]
            found = places.get(namespace, [])
            above = [seq for seq in found if seq > floor]
            assert above == list(range(floor + 1, last + 1))
            assert floor not in found

    @invariant()
    def what_is_named_is_there(self) -> None:
        world = self.world
        for row in [*world.tasks.values(), *world.holders.values(), *world.carts.values()]:
            for named in _named(row):
                assert named in world.holders, row
        for row in [*world.tasks.values(), *world.holders.values()]:
            if row.cancellation_id is not None:
                assert (row.namespace, row.cancellation_id) in world.cancellations
        for record in world.cancellations.values():
            there = (record.namespace, record.target.id) in world.tasks
            without = record.waiting or record.waited_in_vain
            assert there or without or record.target in world.holders
        for one in world.request_ids.values():
            answering: dict[Any, Any] = world.tasks if one.settles else world.cancellations
            assert (one.namespace, one.answer_id) in answering


def _gone(kind: str, before: World, after: World) -> dict[Any, Any]:
    rows = getattr(after, kind)
    return {key: row for key, row in getattr(before, kind).items() if key not in rows}


def _comparable(row: Any) -> Any:
    """What of a row may not change while others go."""
    if isinstance(row, Group | Checkout | Order):
        row = row.evolve(task_count=0, completed_count=0, owed_count=0)
    if isinstance(row, Checkout):
        return row.evolve(order_ids=())
    return row.evolve(checkout_ids=()) if isinstance(row, Order) else row


def _is_kept(event: Event, world: World) -> bool:
    task = event.task
    return task is not None and (task.namespace, task.task_id) in world.tasks


def _named(row: Any) -> list[Target]:
    """Returns the holders that a row names."""
    names = [("checkout", id) for id in getattr(row, "checkout_ids", ())]
    names += [("order", id) for id in getattr(row, "order_ids", ())]
    for kind in ("group", "checkout", "order"):
        id = getattr(row, f"{kind}_id", None)
        if id is not None:
            names.append((kind, id))
    return [target(kind, id, row.namespace) for kind, id in names]


def _all_that_is_old_went(world: World, oldest: int) -> None:
    """Of what hangs together, something at least is not old."""
    assert all(
        agent.lost_time is None or agent.lost_time > oldest for agent in world.agents.values()
    )
    assert all(event.task or event.time > oldest for event in world.events)
    for cart in world.carts.values():
        assert cart.state is not CartState.ACTIVE or cart.update_time > oldest
    whole: dict[Any, set[Any]] = {}
    rows: list[Any] = [*world.tasks.values(), *world.holders.values()]
    for row in rows:
        together = {row.target}
        for named in _named(row):
            together |= whole.get(named, {named})
        together |= whole.get(row.target, set())
        for each in together:
            whole[each] = together
    by_target = {row.target: row for row in rows}
    for together in whole.values():
        assert not all(_is_old(by_target[each], world, oldest) for each in together), together


def _is_old_task(task: Task, oldest: int) -> bool:
    """Whether a task may go; one that somebody has to decide about, after ten times as long."""
    longer = 9 * RETENTION if task.refund_required else 0
    return task.ended and task.update_time <= oldest - longer


def _is_old(row: Any, world: World, oldest: int) -> bool:
    if row.cancellation_id is not None:
        record = world.cancellations[row.namespace, row.cancellation_id]
        if record.end_time is None or max(record.end_time, record.join_time or 0) > oldest:
            return False
    if isinstance(row, Task):
        return _is_old_task(row, oldest)
    if row.money_time is not None and row.money_time > oldest:
        return False
    expires = isinstance(row, Checkout) and row.open and row.expire_time is not None
    return not expires and bool(row.live_count == 0 and row.update_time <= oldest)


# Finding the shortest failing sequence, and longer runs, may take their time.
TestPurging = pytest.mark.timeout(900)(Purging.TestCase)
TestPurging.settings = settings(
    max_examples=EXAMPLES or 100,
    stateful_step_count=50,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
