"""Random interleavings of all commands, held to a small model and to what must always be true.

It tries the same sequences every time. COUNTERMAND_EXAMPLES=5000 tries that many new ones.
"""

import os
from collections import Counter, defaultdict

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from countermand.core import commands as c
from countermand.core.errors import Refused
from countermand.core.records import SECOND, Cancellation, CancellationState, Task, TaskState
from tests.support import ask
from tests.support.ask import NS, OTHER, uid
from tests.support.model import Model
from tests.support.world import World

S = TaskState
EXAMPLES = int(os.environ.get("COUNTERMAND_EXAMPLES", "0"))

task_ids = st.sampled_from([uid(number) for number in range(1, 7)])
group_ids = st.sampled_from([uid(0xA1), uid(0xA2)])
agents = st.sampled_from(["agent-1", "agent-2"])
leases = st.sampled_from([SECOND, 5 * SECOND, 3600 * SECOND])
spaces = st.sampled_from([NS, NS, NS, OTHER])
cancel_fields = st.fixed_dictionaries(
    {
        "ns": spaces,
        "grace": st.sampled_from([0, 5 * SECOND, 30 * SECOND]),
        "request_id": st.sampled_from([None, None, uid(0xB1), uid(0xB2), uid(0xB3)]),
        "reason": st.sampled_from(["fraud", "timeout"]),
        "expected_version": st.sampled_from([None, None, None, None, 1, 2, 3]),
        "validate_only": st.sampled_from([False, False, False, True]),
    }
)


def _group(ids: list[str], group_id: str, closed: bool, ns: int) -> c.CreateGroup:
    return ask.create_group(*ids, group_id=group_id, closed=closed, ns=ns)


commands = st.one_of(
    st.builds(ask.create, task_ids, st.none() | group_ids, ns=spaces),
    st.builds(
        _group, st.lists(task_ids, unique=True, max_size=4), group_ids, st.booleans(), spaces
    ),
    st.builds(ask.start, task_ids, agents, lease=leases, ns=spaces),
    st.builds(ask.renew, agents, lease=leases, ns=spaces),
    st.builds(
        ask.finish,
        task_ids,
        st.sampled_from([S.COMPLETED, S.FAILED, S.CANCELLED]),
        fence=st.sampled_from([1, 1, 1, 2, 3]),
        ns=spaces,
    ),
    st.builds(lambda id, fields: ask.cancel(id, **fields), task_ids, cancel_fields),
    st.builds(lambda id, fields: ask.cancel_group(id, **fields), group_ids, cancel_fields),
)


class Countermand(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.model = Model()
        self.ended: dict[object, Task] = {}
        self.fences: dict[object, int] = {}

    @rule(group_id=group_ids, ids=st.lists(task_ids, unique=True, max_size=4), agent=agents)
    def begin_a_group(self, group_id: str, ids: list[str], agent: str) -> None:
        self._run([ask.create_group(*ids, group_id=group_id)])
        self._run([ask.start(id, agent) for id in ids[:2]])

    @rule(command=commands)
    def do_one(self, command: c.Command) -> None:
        self._run([command])

    @rule(batch=st.lists(commands, min_size=2, max_size=8), reaps=st.booleans())
    def do_a_batch(self, batch: list[c.Command], reaps: bool) -> None:
        self._run([*([ask.reap()] if reaps else []), *_together(batch)])

    @precondition(lambda self: self.world.tasks)
    @rule(seconds=st.sampled_from([0, 1, 5, 30, 4000]))
    def reap_later(self, seconds: int) -> None:
        self.world.now += seconds * SECOND
        self._run([ask.reap()])

    def _run(self, batch: list[c.Command]) -> None:
        """Runs a batch, and the same one by one, and both as the model says."""
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

    @invariant()
    def rows_are_as_the_model_has_them(self) -> None:
        model = self.model
        assert {
            key: (t.state, t.version, t.fence, t.agent_id, t.deadline_time, t.cancel_proof)
            for key, t in self.world.tasks.items()
        } == {
            key: (t.state, t.version, t.fence, t.agent, t.deadline, t.proof)
            for key, t in model.tasks.items()
        }
        assert {key: (g.closed, g.version) for key, g in self.world.groups.items()} == {
            key: (g.closed, g.version) for key, g in model.groups.items()
        }
        assert {key: a.lease_expire_time for key, a in self.world.agents.items()} == model.leases
        assert [(str(x.state), x.reason) for x in self.world.cancellations.values()] == [
            (x.state(model.tasks), x.reason) for x in model.cancels
        ]
        ids = [key for _, key in self.world.cancellations]
        for key, task in model.tasks.items():
            named = self.world.tasks[key].cancellation_id
            assert named == (None if task.cancel is None else ids[task.cancel])
        assert {key: r.cancellation_id for key, r in self.world.request_ids.items()} == {
            key: ids[number] for key, (_, number) in model.requests.items()
        }

    @invariant()
    def an_end_never_changes(self) -> None:
        for key, task in self.world.tasks.items():
            if key in self.ended:
                assert task == self.ended[key]
            elif task.ended:
                self.ended[key] = task

    @invariant()
    def a_fence_only_grows(self) -> None:
        for key, task in self.world.tasks.items():
            assert task.fence >= self.fences.get(key, 0)
            self.fences[key] = task.fence

    @invariant()
    def events_are_gap_free_per_namespace_and_per_task(self) -> None:
        places, versions, last = defaultdict(list), defaultdict(list), {}
        for event in self.world.events:
            places[event.namespace].append(event.seq)
            if event.task is not None:
                key = (event.namespace, event.task.task_id)
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
    def a_cancelling_task_has_a_deadline_and_a_cancellation(self) -> None:
        for (namespace, _), task in self.world.tasks.items():
            if task.state is S.CANCELLING:
                assert task.deadline_time is not None
                assert (namespace, task.cancellation_id) in self.world.cancellations

    @invariant()
    def the_counts_of_a_group_equal_a_recount(self) -> None:
        for key, group in self.world.groups.items():
            members = self.world.members(key)
            assert group.task_count == len(members)
            assert group.live_count == sum(not task.ended for task in members)

    @invariant()
    def the_counts_and_state_of_a_cancellation_equal_a_recount(self) -> None:
        for record in self.world.cancellations.values():
            covered = self._covered(record)
            states = Counter(task.state for task in covered)
            stopped = sum(t.state is S.CANCELLED and t.seq > record.seq for t in covered)
            assert record.live_count == sum(not task.ended for task in covered)
            assert record.stopped_count == stopped
            assert record.completed_count == states[S.COMPLETED]
            assert (record.state is CancellationState.IN_PROGRESS) == (record.live_count > 0)
            assert (record.end_time is None) == (record.live_count > 0)

    @invariant()
    def a_group_ends_in_the_log_exactly_when_it_is_over(self) -> None:
        ends = Counter((e.namespace, e.group_id) for e in self.world.events if e.ends_group)
        for key, group in self.world.groups.items():
            born_over = group.over and group.task_count == 0 and ends[key] == 0
            assert ends[key] == group.over or born_over

    def _covered(self, record: Cancellation) -> list[Task]:
        if record.target_kind == "TASK":
            return [self.world.tasks[record.namespace, record.target_id]]
        return self.world.members((record.namespace, record.target_id))


def _together(batch: list[c.Command]) -> list[c.Command]:
    """Leaves out cancels of groups that the same batch creates: large commands commit alone."""
    made = {(x.namespace, x.group_id) for x in batch if isinstance(x, c.CreateGroup)}
    return [
        x
        for x in batch
        if not isinstance(x, c.CancelGroup) or (x.namespace, x.target_id) not in made
    ]


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
