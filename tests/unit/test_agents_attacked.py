"""Agents that die, hang, come back, repeat and speak late, under a clock that jumps far ahead.

It tries the same sequences every time. COUNTERMAND_EXAMPLES=5000 tries that many new ones.
"""

import os
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from countermand.core import commands as c
from countermand.core.changes import Id
from countermand.core.decide import Batch
from countermand.core.errors import Reason, Refused
from countermand.core.leases import Renewal
from countermand.core.records import SECOND, Task
from countermand.core.rules.reaping import LOST_MESSAGE
from countermand.core.states import CancelProof, ChargeState, TaskState
from tests.support import ask
from tests.support.ask import NS, uid
from tests.support.invariants import Invariants

S, P = TaskState, CancelProof
EXAMPLES = int(os.environ.get("COUNTERMAND_EXAMPLES", "0"))
YEAR = 365 * 24 * 3600

# Few of each, so that they meet: a lease and a deadline that end at the same instant, which is now.
agents = st.sampled_from(["a", "b"])
spans = st.sampled_from([5 * SECOND, 30 * SECOND])
graces = st.sampled_from([0, 5 * SECOND, 30 * SECOND])
jumps = st.sampled_from([0, 1, 5 * SECOND, 5 * SECOND, 30 * SECOND, YEAR * SECOND])
limits = st.sampled_from([1, 2, 1000])
words: Any = st.sampled_from(
    [
        ask.completed,
        ask.failed,
        ask.acknowledged,
        ask.charge,
        lambda id, fence: ask.charged(id, ChargeState.CAPTURED, fence=fence),
        lambda id, fence: ask.charged(id, ChargeState.VOIDED, fence=fence),
    ]
)


class Held(NamedTuple):
    """What an agent may still believe: that it holds this task, with this fence."""

    task_id: str
    fence: int


class End(NamedTuple):
    """How the reaper must end a task."""

    state: TaskState
    proof: CancelProof | None


class Attack(Invariants):
    def __init__(self) -> None:
        super().__init__()
        self.held: list[Held] = []
        """Every fence that was ever given out."""

    # What agents and callers do.

    @rule(count=st.integers(1, 3), agent=agents, lease=spans, grace=st.none() | graces)
    def begin(self, count: int, agent: str, lease: int, grace: int | None) -> None:
        """Some tasks of one group start, and may be cancelled at once."""
        group_id = uid(0xA00 + len(self.world.holders))
        ids = [uid(len(self.world.tasks) + number) for number in range(1, count + 1)]
        self.world.do(ask.create_group(*ids, group_id=group_id))
        for id in ids:
            self.held.append(Held(id, self.world.do(ask.start(id, agent, lease=lease)).fence))
        if grace is not None:
            self.world.do(ask.cancel_group(group_id, grace=grace))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), agent=agents, lease=spans)
    def start_again(self, data: Any, agent: str, lease: int) -> None:
        """After a crash, or though another agent has it, or though it has ended."""
        before = self.world.task(data.draw(st.sampled_from(self.held)).task_id)
        (answer,) = self.world.run(ask.start(before.task_id, agent, lease=lease))
        if not before.ended and before.agent_id == agent:
            assert answer.fence == before.fence + 1
            self.held.append(Held(answer.task_id, answer.fence))
        else:
            assert answer.reason is Reason.TASK_NOT_PENDING

    @rule(agent=agents, lease=spans)
    def beat(self, agent: str, lease: int) -> None:
        """Also of an agent that was found lost, and for less time than its lease still has."""
        known = (NS, agent) in self.world.agents
        assert self.world.do(ask.renew(agent, lease=lease)) is known
        if known:
            assert self.world.agents[NS, agent].lease_expire_time == self.world.now + lease

    @precondition(lambda self: self.held)
    @rule(data=st.data(), word=words)
    def say(self, data: Any, word: Any) -> None:
        """Whatever an agent says of a task that it holds, or held."""
        held = data.draw(st.sampled_from(self.held))
        task, before = self.world.task(held.task_id), self.world.copy()
        said = word(held.task_id, fence=held.fence)
        (answer,) = self.world.run(said)
        # Of the money of what ended, whoever held it last may speak, however it ended.
        late = task.ended and isinstance(said, c.ReportCharge)
        if held.fence != (task.start_fence if late else task.fence):
            assert answer.reason is Reason.FENCED
        if isinstance(answer, Refused):
            assert self.world.rows() == before.rows()
        if task.ended and not late:
            assert self.world.task(held.task_id) == task

    @precondition(lambda self: self.held)
    @rule(data=st.data(), grace=graces)
    def cancel(self, data: Any, grace: int) -> None:
        """One task, which may have ended, or be CANCELLING: then its deadline may come nearer."""
        task_id = data.draw(st.sampled_from(self.held)).task_id
        self.world.run(ask.cancel(task_id, grace=grace))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), agent=agents, lease=spans, word=words)
    def race(self, data: Any, agent: str, lease: int, word: Any) -> None:
        """A heartbeat, a last word and the reaper in one batch, in any order."""
        held = data.draw(st.sampled_from(self.held))
        last = word(held.task_id, fence=held.fence)
        batch: list[c.Command] = [ask.renew(agent, lease=lease), ask.reap(), last]
        self.world.run(*data.draw(st.permutations(batch)))

    # What time does.

    @rule(jump=jumps)
    def wait(self, jump: int) -> None:
        self.world.now += jump

    @rule(jump=jumps)
    def fail_for_a_while(self, jump: int) -> None:
        """Nobody can renew a lease while the store is away, so all are renewed after it."""
        self.world.now += jump
        deadlines = {key: task.deadline_time for key, task in self.world.tasks.items()}
        self.world.run_batch(Batch([], self.world.instant, self.world.ids, Renewal(all=True)))
        for agent in self.world.agents.values():
            end = agent.lease_expire_time
            assert end in (None, self.world.now + agent.lease_duration)
        assert deadlines == {key: task.deadline_time for key, task in self.world.tasks.items()}

    @rule(jump=jumps, limit=limits, delay=jumps)
    def reap_all(self, jump: int, limit: int, delay: int) -> None:
        """Ends all that is overdue, however little a batch may end, and nothing else. Leases are
        judged as of earlier, as by a server that is late."""
        self.world.now += jump
        before, lease_time = dict(self.world.tasks), self.world.now - delay
        expected = {key: self._end_of(task, lease_time) for key, task in before.items()}
        rounds = []
        while not rounds or rounds[-1].more:
            rounds.append(self.world.do(c.Reap(0, limit, lease_time)))
            assert len(rounds) <= 2 * len(before) + 3
        for key, task in self.world.tasks.items():
            end = expected[key]
            if end is None:
                assert task == before[key]
            else:
                assert (task.state, task.cancel_proof) == end
                assert task.end_time == self.world.now
        ends = [end for end in expected.values() if end is not None]
        assert sum(reaped.ended for reaped in rounds) == len(ends)
        assert not self._lost_agents(lease_time)

    def _end_of(self, task: Task, lease_time: int) -> End | None:
        """Says how a task must end now; None if it must not."""
        if task.ended or task.agent_id is None:
            return None
        lease = self._lease_of(task)
        lost = lease <= lease_time
        if task.state is S.RUNNING:
            return End(S.FAILED, None) if lost else None
        assert task.deadline_time is not None
        if not lost and task.deadline_time > self.world.now:
            return None
        first = lost and lease < task.deadline_time
        return End(S.CANCELLED, P.AGENT_LOST if first else P.FORCED)

    def _lease_of(self, task: Task) -> int:
        lease = self.world.agents[task.namespace, task.agent_id or ""].lease_expire_time
        assert lease is not None
        return lease

    def _lost_agents(self, lease_time: int) -> list[Id]:
        return [
            key
            for key, agent in self.world.agents.items()
            if agent.lease_expire_time is not None and agent.lease_expire_time <= lease_time
        ]

    # What must always be true.

    @invariant()
    def an_agent_that_holds_a_task_has_a_lease(self) -> None:
        for task in self.world.tasks.values():
            if not task.ended and task.agent_id is not None:
                self._lease_of(task)

    @invariant()
    def whoever_did_not_end_a_task_is_fenced_off_it(self) -> None:
        for held in self.held:
            task = self.world.task(held.task_id)
            by_reaper = task.cancel_proof in (P.FORCED, P.AGENT_LOST)
            if by_reaper or task.failure_message == LOST_MESSAGE:
                assert held.fence < task.fence
            else:
                assert held.fence <= task.fence


TestAttack = pytest.mark.timeout(900)(Attack.TestCase)
TestAttack.settings = settings(
    max_examples=EXAMPLES or 100,
    stateful_step_count=40,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
