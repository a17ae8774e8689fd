"""A small second telling of the rules, to hold the first one to: plain, slow, and without a batch.

It keeps only what a caller can see, and says for each command whether it is refused, and why.
"""

from dataclasses import dataclass, field
from typing import Any

from countermand.core import commands as c
from countermand.core.errors import Reason
from countermand.core.records import TaskState

S = TaskState
ENDED = {S.CANCELLED, S.COMPLETED, S.FAILED}
Id = tuple[int, str]


@dataclass
class ModelTask:
    group: Id | None
    state: TaskState = S.PENDING
    version: int = 1
    fence: int = 0
    agent: str | None = None
    deadline: int | None = None
    proof: str | None = None
    cancel: int | None = None


@dataclass
class ModelGroup:
    closed: bool
    version: int = 1
    cancel: int | None = None


@dataclass
class ModelCancel:
    """A cancel is known by its number; `skipped` had ended when it was accepted."""

    covered: list[Id]
    skipped: set[Id] = field(default_factory=set)
    reason: str = ""

    def state(self, tasks: dict[Id, ModelTask]) -> str:
        states = [tasks[id].state for id in self.covered]
        if any(state not in ENDED for state in states):
            return "IN_PROGRESS"
        stopped = any(
            tasks[id].state is S.CANCELLED for id in self.covered if id not in self.skipped
        )
        if not stopped:
            return "TOO_LATE"
        return "PARTIAL" if S.COMPLETED in states else "SUCCEEDED"


class Model:
    def __init__(self) -> None:
        self.tasks: dict[Id, ModelTask] = {}
        self.groups: dict[Id, ModelGroup] = {}
        self.leases: dict[Id, int | None] = {}
        self.cancels: list[ModelCancel] = []
        self.requests: dict[Id, tuple[Any, int]] = {}
        self.ended: dict[Id, ModelTask] = {}

    def do(self, command: c.Command, now: int) -> Reason | None:
        """Returns why the command is refused, or None and the model has changed."""
        refused: Reason | None = getattr(self, f"_{type(command).__name__}")(command, now)
        return refused

    def members(self, group: Id) -> list[Id]:
        return [id for id, task in self.tasks.items() if task.group == group]

    def _CreateTask(self, command: c.CreateTask, now: int) -> Reason | None:
        id = (command.namespace, command.task.task_id)
        group = (command.namespace, command.task.group_id) if command.task.group_id else None
        if group is not None and group not in self.groups:
            return Reason.GROUP_NOT_FOUND
        if id in self.tasks:
            return Reason.TASK_EXISTS
        if group is not None:
            if self.groups[group].closed:
                return Reason.GROUP_CLOSED
            self.groups[group].version += 1
        self.tasks[id] = ModelTask(group)
        return None

    def _CreateGroup(self, command: c.CreateGroup, now: int) -> Reason | None:
        group = (command.namespace, command.group_id)
        ids = [(command.namespace, task.task_id) for task in command.tasks]
        if group in self.groups:
            return Reason.GROUP_EXISTS
        if any(id in self.tasks for id in ids):
            return Reason.TASK_EXISTS
        self.groups[group] = ModelGroup(command.closed)
        self.tasks |= {id: ModelTask(group) for id in ids}
        return None

    def _StartTask(self, command: c.StartTask, now: int) -> Reason | None:
        task = self.tasks.get((command.namespace, command.task_id))
        if task is None:
            return Reason.TASK_NOT_FOUND
        mine = task.agent == command.agent_id and task.state in (S.RUNNING, S.CANCELLING)
        if task.state is not S.PENDING and not mine:
            return Reason.TASK_NOT_PENDING
        if task.state is S.PENDING:
            task.state, task.agent, task.version = S.RUNNING, command.agent_id, 2
        task.fence += 1
        agent = (command.namespace, command.agent_id)
        self.leases[agent] = max(self.leases.get(agent) or 0, now + command.lease_duration)
        return None

    def _RenewLease(self, command: c.RenewLease, now: int) -> Reason | None:
        agent = (command.namespace, command.agent_id)
        if agent in self.leases:
            self.leases[agent] = now + command.lease_duration
        return None

    def _FinishTask(self, command: c.FinishTask, now: int) -> Reason | None:
        task = self.tasks.get((command.namespace, command.task_id))
        if task is None:
            return Reason.TASK_NOT_FOUND
        if task.state is S.PENDING:
            return Reason.TASK_NOT_RUNNING
        if task.fence != command.fence:
            return Reason.FENCED
        if task.state in ENDED:
            return None if task.state is command.outcome else Reason.TASK_NOT_RUNNING
        if command.outcome is S.CANCELLED and task.state is not S.CANCELLING:
            return Reason.NOT_CANCELLING
        self._end(task, command.outcome, "ACKNOWLEDGED", fenced=False)
        return None

    def _CancelTask(self, command: c.CancelTask, now: int) -> Reason | None:
        id = (command.namespace, command.target_id)
        replay = self._replay(command)
        if replay is not None:
            return None if replay else Reason.REQUEST_ID_CONFLICT
        task = self.tasks.get(id)
        if task is None:
            return Reason.TASK_NOT_FOUND
        if task.state in ENDED:
            return Reason(f"TASK_ALREADY_{task.state}")
        if command.expected_version not in (None, task.version):
            return Reason.VERSION_MISMATCH
        if command.validate_only:
            return None
        if task.cancel is None:
            self.cancels.append(ModelCancel([id], reason=command.reason))
            task.cancel = len(self.cancels) - 1
        number = task.cancel
        self._stop(task, command, now)
        self._remember(command, number)
        return None

    def _CancelGroup(self, command: c.CancelGroup, now: int) -> Reason | None:
        id = (command.namespace, command.target_id)
        replay = self._replay(command)
        if replay is not None:
            return None if replay else Reason.REQUEST_ID_CONFLICT
        group = self.groups.get(id)
        if group is None:
            return Reason.GROUP_NOT_FOUND
        if command.expected_version not in (None, group.version):
            return Reason.VERSION_MISMATCH
        if command.validate_only:
            return None
        members = self.members(id)
        if group.cancel is None:
            skipped = {member for member in members if self.tasks[member].state in ENDED}
            self.cancels.append(ModelCancel(members, skipped, command.reason))
            group.cancel = len(self.cancels) - 1
            group.closed = True
            group.version += 1
        for member in members:
            task = self.tasks[member]
            if task.state in ENDED:
                continue
            if task.cancel is None:
                task.cancel = group.cancel
            self._stop(task, command, now)
        self._remember(command, group.cancel)
        return None

    def _Reap(self, command: c.Reap, now: int) -> Reason | None:
        for task_id, task in self.tasks.items():
            if task.agent is None or task.state in ENDED:
                continue
            lease = self.leases[task_id[0], task.agent]
            lost = lease is not None and lease <= now
            if task.state is S.RUNNING and lost:
                self._end(task, S.FAILED, None, fenced=True)
            elif task.state is S.CANCELLING and (lost or (task.deadline or 0) <= now):
                by_lease = lost and (lease or 0) < (task.deadline or 0)
                proof = "AGENT_LOST" if by_lease else "FORCED"
                self._end(task, S.CANCELLED, proof, fenced=True)
        for agent, lease in self.leases.items():
            if lease is not None and lease <= now:
                self.leases[agent] = None
        return None

    def _stop(self, task: ModelTask, command: c.Cancel, now: int) -> None:
        if task.state is S.PENDING:
            self._end(task, S.CANCELLED, "NEVER_STARTED", fenced=True)
            return
        deadline = now + command.grace_period
        if task.state is S.RUNNING or deadline < (task.deadline or 0):
            task.deadline = deadline
            task.version += 1
        task.state = S.CANCELLING

    def _end(self, task: ModelTask, state: TaskState, proof: str | None, *, fenced: bool) -> None:
        task.state = state
        task.version += 1
        task.fence += fenced
        task.proof = proof if state is S.CANCELLED else None

    def _replay(self, command: c.Cancel) -> bool | None:
        """True for a repeat, False for a conflict, None for a new request."""
        seen = self.requests.get((command.namespace, command.request_id or ""))
        if seen is None or command.validate_only:
            return None
        return seen[0] == _said(command)

    def _remember(self, command: c.Cancel, number: int) -> None:
        if command.request_id:
            self.requests[command.namespace, command.request_id] = (_said(command), number)


def _said(command: c.Cancel) -> Any:
    return (
        type(command),
        command.target_id,
        command.reason,
        command.message,
        command.grace_period,
        command.expected_version,
        command.on_behalf_of,
    )
