"""A small second telling of the rules, to hold the first one to: plain, slow, and without a batch.

It keeps only what a caller can see, counts nothing in advance, and says for each command whether
it is refused, and why.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from countermand.core import commands as c
from countermand.core.cancellations import EARLY_CANCEL_LIFETIME
from countermand.core.errors import Reason
from countermand.core.records import DEFAULT_GRACE, Target
from countermand.core.refunds import SettleRefund
from countermand.core.states import ChargeState, RefundState, TargetKind, TaskState

S = TaskState
ENDED = {S.CANCELLED, S.COMPLETED, S.FAILED}
MONEY = {ChargeState.BEGUN, ChargeState.CAPTURED}
Id = tuple[int, str]


@dataclass
class ModelTask:
    group: str | None
    checkout: str | None
    order: str | None
    expire: int | None
    state: TaskState = S.PENDING
    version: int = 1
    fence: int = 0
    agent: str | None = None
    deadline: int | None = None
    proof: str | None = None
    charge: ChargeState = ChargeState.NONE
    refund: RefundState = RefundState.NONE
    settled: tuple[Any, ...] | None = None
    """What the last settlement said."""
    late: int = 0
    """How often its agent changed its charge after the end."""
    fenced: bool = False
    """Whether its end raised the fence."""
    cancel: int | None = None
    ns: int = 0


@dataclass
class ModelHolder:
    """A group, which is OPEN or CLOSED; a checkout; or an order."""

    state: str = "OPEN"
    version: int = 1
    cancel: int | None = None
    checkout: str | None = None
    """The checkout of a group."""
    order: str | None = None
    """The order of a group."""
    group: str | None = None
    """The group of a checkout."""
    cart: str | None = None
    expire: int | None = None
    checkouts: tuple[str, ...] = ()
    """What an order lists."""
    said: bytes = b""
    """What the platform says of an order."""


@dataclass
class ModelCart:
    state: str
    checkout: str | None
    lines: bytes
    version: int = 1


@dataclass
class ModelCancel:
    """A cancel is known by its number; `skipped` had ended when it was accepted."""

    target: Target
    covered: list[Id]
    skipped: set[Id] = field(default_factory=set)
    reason: str = ""
    waits_until: int | None = None
    """Until when it waits for its task, if that is yet to be created."""
    joins: list[tuple[str, str | None]] = field(default_factory=list)
    """The reason and the request id of each who asked for it later."""

    def completed(self, tasks: dict[Id, ModelTask]) -> int:
        """C of rule 8."""
        before = self.skipped if self.target.kind is TargetKind.ORDER else set()
        return sum(tasks[id].state is S.COMPLETED for id in self.covered if id not in before)

    def stopped(self, tasks: dict[Id, ModelTask]) -> int:
        """S of rule 8."""
        return sum(tasks[id].state is S.CANCELLED for id in self.covered if id not in self.skipped)

    def state(self, tasks: dict[Id, ModelTask]) -> str:
        live = any(tasks[id].state not in ENDED for id in self.covered)
        if live or self.waits_until is not None:
            return "IN_PROGRESS"
        stopped, completed = self.stopped(tasks), self.completed(tasks)
        if not stopped and (completed or self.target.kind in (TargetKind.TASK, TargetKind.GROUP)):
            return "TOO_LATE"
        return "PARTIAL" if completed else "SUCCEEDED"


class TaskModel:
    """Tasks, what agents do with them, and what all cancels have in common."""

    def __init__(self) -> None:
        self.tasks: dict[Id, ModelTask] = {}
        self.holders: dict[Target, ModelHolder] = {}
        self.carts: dict[Id, ModelCart] = {}
        self.leases: dict[Id, int | None] = {}
        self.cancels: list[ModelCancel] = []
        self.requests: dict[Id, tuple[Any, int | str]] = {}
        """What was asked, and the number of the cancel or the task that answered."""
        self.touched: set[Any] = set()
        """Holders and carts that the present command gives a new version."""

    def members(self, target: Target) -> list[Id]:
        return [id for id, task in self.tasks.items() if target in self.holders_of(id[0], task)]

    def holders_of(self, ns: int, task: ModelTask) -> set[Target]:
        """All that a task is under, the orders that list its checkout too."""
        found = {
            Target(kind, ns, id)
            for kind, id in (
                (TargetKind.GROUP, task.group),
                (TargetKind.CHECKOUT, task.checkout),
                (TargetKind.ORDER, task.order),
            )
            if id is not None
        }
        if task.checkout is not None:
            found |= {
                target
                for target, holder in self.holders.items()
                if target.namespace == ns and task.checkout in holder.checkouts
            }
        return found

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

    def _held(self, command: Any) -> Reason | None:
        task = self.tasks.get((command.namespace, command.task_id))
        if task is None:
            return Reason.TASK_NOT_FOUND
        if task.state is S.PENDING:
            return Reason.TASK_NOT_RUNNING
        return Reason.FENCED if task.fence != command.fence else None

    def _BeginCharge(self, command: c.BeginCharge, now: int) -> Reason | None:
        refused = self._held(command)
        if refused is not None:
            return refused
        task = self.tasks[command.namespace, command.task_id]
        if task.state in ENDED:
            return Reason.TASK_NOT_RUNNING
        if task.state is S.CANCELLING:
            return Reason.CANCELLATION_REQUESTED
        if task.charge not in MONEY:
            task.charge, task.version = ChargeState.BEGUN, task.version + 1
        return None

    def _ReportCharge(self, command: c.ReportCharge, now: int) -> Reason | None:
        known = self.tasks.get((command.namespace, command.task_id))
        if known is not None and known.state in ENDED:
            return self._report_late(known, command)
        refused = self._held(command)
        if refused is not None:
            return refused
        task = self.tasks[command.namespace, command.task_id]
        task.version += task.charge is not command.charge_state
        task.charge = command.charge_state
        return None

    def _report_late(self, task: ModelTask, command: c.ReportCharge) -> Reason | None:
        if task.agent is None:
            return Reason.TASK_NOT_RUNNING
        if command.fence != task.fence - task.fenced:
            return Reason.FENCED
        if command.charge_state is task.charge:
            return None
        if task.late == 16:
            return Reason.TOO_MANY_CHANGES
        task.late += 1
        task.version += 1
        task.charge = command.charge_state
        if self._holds_money_for_nothing(task):
            task.refund = RefundState.REQUIRED
        elif task.refund is RefundState.REQUIRED:
            task.refund = RefundState.NOT_OWED
        return None

    def _holds_money_for_nothing(self, task: ModelTask) -> bool:
        """The first rule of refunds."""
        if task.state is not S.COMPLETED:
            return task.charge in MONEY
        return task.charge is ChargeState.CAPTURED and any(
            self.holders[target].cancel is not None
            for target in self.holders_of(task.ns, task)
            if target.kind is not TargetKind.GROUP
        )

    def _SettleRefund(self, command: SettleRefund, now: int) -> Reason | None:
        id = (command.namespace, command.task_id)
        said = (SettleRefund, command.task_id, *_decided(command), command.note)
        seen = self.requests.get((command.namespace, command.request_id or ""))
        if seen is not None:
            return None if seen[0] == said else Reason.REQUEST_ID_CONFLICT
        task = self.tasks.get(id)
        if task is None:
            return Reason.TASK_NOT_FOUND
        if task.refund is RefundState.NONE:
            return Reason.REFUND_NOT_REQUIRED
        if task.refund is not RefundState.REQUIRED:
            in_force = (task.refund, None, "")
            if task.settled is not None and task.settled[0] is task.refund:
                in_force = task.settled[:3]
            same = command.request_id is None and _decided(command) == in_force
            return None if same else Reason.REFUND_ALREADY_SETTLED
        task.refund = command.outcome
        task.version += 1
        task.settled = (*_decided(command), command.note, command.settled_by, now)
        task.settled += (command.request_id,)
        if command.request_id is not None:
            self.requests[command.namespace, command.request_id] = (said, command.task_id)
        return None

    def _FinishTask(self, command: c.FinishTask, now: int) -> Reason | None:
        refused = self._held(command)
        if refused is not None:
            return refused
        task = self.tasks[command.namespace, command.task_id]
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
            return self._cancel_missing(command, now)
        if task.state in ENDED:
            return Reason(f"TASK_ALREADY_{task.state}")
        if command.expected_version not in (None, task.version):
            return Reason.VERSION_MISMATCH
        joins = task.cancel is not None
        if not command.validate_only:
            number = self._cancel_task(id, command.reason, command.grace_period, now)
            if joins:
                self.cancels[number].joins.append((command.reason, command.request_id))
            self._remember(command, number)
        return None

    def _cancel_missing(self, command: c.CancelTask, now: int) -> Reason | None:
        if not command.allow_missing:
            return Reason.TASK_NOT_FOUND
        if not command.validate_only:
            target = Target(TargetKind.TASK, command.namespace, command.target_id)
            number = self._waiting(target, now)
            if number is not None:
                self.cancels[number].joins.append((command.reason, command.request_id))
            else:
                number = self._accept(target, [], command.reason)
                self.cancels[number].waits_until = now + EARLY_CANCEL_LIFETIME
            self._remember(command, number)
        return None

    def _waiting(self, target: Target, now: int) -> int | None:
        """The cancel that waits for a task; one that has waited long enough ends."""
        for number, cancel in enumerate(self.cancels):
            if cancel.target == target and cancel.waits_until is not None:
                if now < cancel.waits_until:
                    return number
                cancel.waits_until = None
        return None

    def _create(self, ids: list[Id], task: ModelTask, now: int) -> None:
        """Creates tasks that are alike, and cancels those that were cancelled before."""
        for id in ids:
            self.tasks[id] = replace(task, ns=id[0])
            number = self._waiting(Target(TargetKind.TASK, *id), now)
            if number is not None:
                self.cancels[number].waits_until = None
                self.cancels[number].covered = [id]
                self._stop(self.tasks[id], number, now)

    def _cancel_task(self, id: Id, reason: str, grace: int, now: int) -> int:
        task = self.tasks[id]
        number = task.cancel
        if number is None:
            number = self._accept(Target(TargetKind.TASK, *id), [id], reason)
        self._stop(task, number, now + grace)
        return number

    def _accept(self, target: Target, covered: list[Id], reason: str) -> int:
        skipped = {id for id in covered if self.tasks[id].state in ENDED}
        self.cancels.append(ModelCancel(target, covered, skipped, reason))
        return len(self.cancels) - 1

    def _stop(self, task: ModelTask, number: int, deadline: int) -> None:
        if task.state in ENDED:
            return
        if task.cancel is None:
            task.cancel = number
        if task.state is S.PENDING:
            self._end(task, S.CANCELLED, "NEVER_STARTED", fenced=True)
            return
        if task.state is S.RUNNING or deadline < (task.deadline or 0):
            task.deadline = deadline
            task.version += 1
        task.state = S.CANCELLING

    def _end(self, task: ModelTask, state: TaskState, proof: str | None, *, fenced: bool) -> None:
        task.state = state
        task.version += 1
        task.fence += fenced
        task.fenced = fenced
        task.proof = proof if state is S.CANCELLED else None
        if self._holds_money_for_nothing(task):
            task.refund = RefundState.REQUIRED

    def _reap_tasks(self, now: int) -> None:
        for cancel in self.cancels:
            if cancel.waits_until is not None and cancel.waits_until <= now:
                cancel.waits_until = None
        for (ns, _), task in self.tasks.items():
            if task.agent is None or task.state in ENDED:
                continue
            lease = self.leases[ns, task.agent]
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
        for id, task in self.tasks.items():
            expired = task.expire is not None and task.expire <= now
            if expired and task.state in (S.PENDING, S.RUNNING):
                self._cancel_task(id, "timeout", DEFAULT_GRACE, now)

    def _replay(self, command: c.Cancel) -> bool | None:
        """True for a repeat, False for a conflict, None for a new request."""
        seen = self.requests.get((command.namespace, command.request_id or ""))
        if seen is None or command.validate_only:
            return None
        return seen[0] == _said(command)

    def _remember(self, command: c.Cancel, number: int) -> None:
        if command.request_id:
            self.requests[command.namespace, command.request_id] = (_said(command), number)


def _decided(command: SettleRefund) -> tuple[RefundState, int | None, str]:
    return (command.outcome, command.amount, command.currency)


def _said(command: c.Cancel) -> Any:
    return (
        type(command),
        command.by_cart,
        command.allow_missing,
        command.target_id,
        command.reason,
        command.message,
        command.grace_period,
        command.expected_version,
        command.on_behalf_of,
    )
