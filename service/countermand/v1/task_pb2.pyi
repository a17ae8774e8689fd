import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TaskState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""Where a task stands.

    PENDING becomes RUNNING by StartTask, or CANCELLED by a cancel. RUNNING
    becomes COMPLETED or FAILED by FinishTask, FAILED when its agent is lost, or
    CANCELLING by a cancel. CANCELLING becomes CANCELLED when the agent
    acknowledges, when its deadline passes or when its agent is lost, and
    COMPLETED or FAILED when the agent had already finished.

    Values may be added.
    """
    __slots__ = ()
    TASK_STATE_UNSPECIFIED: _ClassVar[TaskState]
    r"""Never sent."""
    TASK_STATE_PENDING: _ClassVar[TaskState]
    r"""Created, and not started by any agent."""
    TASK_STATE_RUNNING: _ClassVar[TaskState]
    r"""Started by an agent that holds a lease."""
    TASK_STATE_CANCELLING: _ClassVar[TaskState]
    r"""A cancel was accepted and the agent was told; nothing has been proven yet.
    It always has a `deadline_time`, so it always ends.
    """
    TASK_STATE_CANCELLED: _ClassVar[TaskState]
    r"""Terminal: the task was cancelled, and `cancel_proof` says how that is known."""
    TASK_STATE_COMPLETED: _ClassVar[TaskState]
    r"""Terminal: the agent finished the work."""
    TASK_STATE_FAILED: _ClassVar[TaskState]
    r"""Terminal: the agent gave up, or was lost while no cancel was accepted."""

class CancelProof(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""How it is known that a CANCELLED task stopped."""
    __slots__ = ()
    CANCEL_PROOF_UNSPECIFIED: _ClassVar[CancelProof]
    r"""The task is not CANCELLED."""
    CANCEL_PROOF_NEVER_STARTED: _ClassVar[CancelProof]
    r"""No agent had started the task."""
    CANCEL_PROOF_ACKNOWLEDGED: _ClassVar[CancelProof]
    r"""The agent said that it stopped."""
    CANCEL_PROOF_FORCED: _ClassVar[CancelProof]
    r"""The deadline passed while the agent's lease was alive; the agent's fence no
    longer counts, but the agent may still be at work.
    """
    CANCEL_PROOF_AGENT_LOST: _ClassVar[CancelProof]
    r"""The agent's lease ran out before the deadline."""

class ChargeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""How the taking of money for a task stands."""
    __slots__ = ()
    CHARGE_STATE_UNSPECIFIED: _ClassVar[ChargeState]
    r"""Refused with INVALID_ARGUMENT; never sent."""
    CHARGE_STATE_NONE: _ClassVar[ChargeState]
    r"""No money was taken, and none may be."""
    CHARGE_STATE_BEGUN: _ClassVar[ChargeState]
    r"""The agent was permitted to take money, and has not said what came of it."""
    CHARGE_STATE_CAPTURED: _ClassVar[ChargeState]
    r"""The agent took the money."""
    CHARGE_STATE_FAILED: _ClassVar[ChargeState]
    r"""The agent could not take the money."""
    CHARGE_STATE_VOIDED: _ClassVar[ChargeState]
    r"""The agent took the money back, or let go of what it had reserved."""

class RefundState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""Whether money of a task is to go back.

    It becomes REQUIRED:

    - when the task ends CANCELLED or FAILED with its charge BEGUN or CAPTURED;
    - when the task is COMPLETED with its charge CAPTURED, and a cancel of its
      checkout, of its order, or of an order that lists its checkout was accepted:
      with that cancel, or with the end or the ReportCharge that comes after it.
      The checkout itself may be COMPLETED;
    - when a ReportCharge after the end says CAPTURED, and the rules above hold with
      that charge, also if the refund was settled before.

    CancelTask and CancelGroup never make a COMPLETED task REQUIRED. REQUIRED ends
    with SettleRefund, or with a ReportCharge that says FAILED or VOIDED.

    Each change is a version of the task, and changes no version of its group,
    checkout, order or cancellation.

    Values may be added.
    """
    __slots__ = ()
    REFUND_STATE_UNSPECIFIED: _ClassVar[RefundState]
    r"""In a request: any, or refused with INVALID_ARGUMENT; never sent."""
    REFUND_STATE_NONE: _ClassVar[RefundState]
    r"""No refund was ever required."""
    REFUND_STATE_REQUIRED: _ClassVar[RefundState]
    r"""Money may be held for work that does not stand, and somebody has to decide."""
    REFUND_STATE_REFUNDED: _ClassVar[RefundState]
    r"""Decided by SettleRefund: the money went back."""
    REFUND_STATE_NOT_OWED: _ClassVar[RefundState]
    r"""Decided: no money is owed. SettleRefund said so, or the agent said FAILED or
    VOIDED with a ReportCharge after the end.
    """
TASK_STATE_UNSPECIFIED: TaskState
r"""Never sent."""
TASK_STATE_PENDING: TaskState
r"""Created, and not started by any agent."""
TASK_STATE_RUNNING: TaskState
r"""Started by an agent that holds a lease."""
TASK_STATE_CANCELLING: TaskState
r"""A cancel was accepted and the agent was told; nothing has been proven yet.
It always has a `deadline_time`, so it always ends.
"""
TASK_STATE_CANCELLED: TaskState
r"""Terminal: the task was cancelled, and `cancel_proof` says how that is known."""
TASK_STATE_COMPLETED: TaskState
r"""Terminal: the agent finished the work."""
TASK_STATE_FAILED: TaskState
r"""Terminal: the agent gave up, or was lost while no cancel was accepted."""
CANCEL_PROOF_UNSPECIFIED: CancelProof
r"""The task is not CANCELLED."""
CANCEL_PROOF_NEVER_STARTED: CancelProof
r"""No agent had started the task."""
CANCEL_PROOF_ACKNOWLEDGED: CancelProof
r"""The agent said that it stopped."""
CANCEL_PROOF_FORCED: CancelProof
r"""The deadline passed while the agent's lease was alive; the agent's fence no
longer counts, but the agent may still be at work.
"""
CANCEL_PROOF_AGENT_LOST: CancelProof
r"""The agent's lease ran out before the deadline."""
CHARGE_STATE_UNSPECIFIED: ChargeState
r"""Refused with INVALID_ARGUMENT; never sent."""
CHARGE_STATE_NONE: ChargeState
r"""No money was taken, and none may be."""
CHARGE_STATE_BEGUN: ChargeState
r"""The agent was permitted to take money, and has not said what came of it."""
CHARGE_STATE_CAPTURED: ChargeState
r"""The agent took the money."""
CHARGE_STATE_FAILED: ChargeState
r"""The agent could not take the money."""
CHARGE_STATE_VOIDED: ChargeState
r"""The agent took the money back, or let go of what it had reserved."""
REFUND_STATE_UNSPECIFIED: RefundState
r"""In a request: any, or refused with INVALID_ARGUMENT; never sent."""
REFUND_STATE_NONE: RefundState
r"""No refund was ever required."""
REFUND_STATE_REQUIRED: RefundState
r"""Money may be held for work that does not stand, and somebody has to decide."""
REFUND_STATE_REFUNDED: RefundState
r"""Decided by SettleRefund: the money went back."""
REFUND_STATE_NOT_OWED: RefundState
r"""Decided: no money is owed. SettleRefund said so, or the agent said FAILED or
VOIDED with a ReportCharge after the end.
"""

class Task(_message.Message):
    r"""One running piece of work that can be stopped, for example one agent that
    buys at one merchant of a checkout.

    Every id is unique within one tenant and environment only. Another tenant's
    or environment's id behaves exactly like an unknown id. Ids of tasks,
    groups, cancellations and requests are UUIDs; those of checkouts, carts,
    orders and agents are 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    """
    __slots__ = ("task_id", "group_id", "checkout_id", "order_id", "merchant", "state", "version", "agent_id", "charge_state", "refund_required", "cancellation_id", "cancel_reason", "cancel_message", "cancel_proof", "deadline_time", "failure_message", "expire_time", "create_time", "start_time", "update_time", "end_time", "labels", "refund_state", "settlement")
    class LabelsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    CHARGE_STATE_FIELD_NUMBER: _ClassVar[int]
    REFUND_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_ID_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REASON_FIELD_NUMBER: _ClassVar[int]
    CANCEL_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_PROOF_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_TIME_FIELD_NUMBER: _ClassVar[int]
    FAILURE_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    LABELS_FIELD_NUMBER: _ClassVar[int]
    REFUND_STATE_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENT_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    r"""The task's UUID, in lower case."""
    group_id: str
    r"""The group that the task belongs to; empty without one."""
    checkout_id: str
    r"""The checkout that the task belongs to, its own or its group's; empty without
    one.
    """
    order_id: str
    r"""The order that the task was created for, its own or its group's; empty
    without one. A task of a checkout is also under the orders that list the
    checkout, which are not named here.
    """
    merchant: str
    r"""Where the work is done, as the creator gave it. At most 128 characters."""
    state: TaskState
    r"""Where the task stands. COMPLETED, FAILED and CANCELLED never change again."""
    version: int
    r"""Starts at 1 and grows by exactly 1 with every committed change of `state`,
    `agent_id`, `charge_state`, `refund_state` or `deadline_time`. Each version
    is one event of a watch. A lease renewal changes no version. Pass it as
    `after_version` to resume a watch, or as `expected_version` to cancel only
    what you have seen.

    From 1,000 versions on, BeginCharge and ReportCharge make no more of them,
    and a join of its cancel moves its deadline only with a grace period of 0.
    """
    agent_id: str
    r"""The agent that started the task; empty while PENDING, and for a task that
    never started.
    """
    charge_state: ChargeState
    r"""How the taking of money for this task stands."""
    refund_required: bool
    r"""Whether somebody has to decide whether money goes back: true exactly while
    `refund_state` is REQUIRED. Countermand never refunds.
    """
    cancellation_id: str
    r"""The first cancellation that was accepted for the task; empty without one."""
    cancel_reason: str
    r"""The reason of that cancellation. At most 128 characters."""
    cancel_message: str
    r"""The message of that cancellation. At most 500 characters."""
    cancel_proof: CancelProof
    r"""How it is known that the task stopped. Set exactly when the state is
    CANCELLED.
    """
    deadline_time: _timestamp_pb2.Timestamp
    r"""When a CANCELLING task is ended by force at the latest. Set with
    CANCELLING, and kept when the task ends. While the server runs, the grace
    period is as long as it was asked for, also if its wall clock is set
    meanwhile or its machine sleeps; then the task ends at another time than
    this.
    """
    failure_message: str
    r"""Why the task FAILED, as its agent said, or as Countermand said for an
    agent that was lost. At most 500 characters.
    """
    expire_time: _timestamp_pb2.Timestamp
    r"""When the task is cancelled by itself, if it has not ended and is not
    CANCELLING by then: with reason `timeout`, the default grace period, and
    requested by `system:expiry`. Unset for never.
    """
    create_time: _timestamp_pb2.Timestamp
    r"""When the task was created."""
    start_time: _timestamp_pb2.Timestamp
    r"""When an agent first started the task; unset for one that never started."""
    update_time: _timestamp_pb2.Timestamp
    r"""When the present version was committed, by the server's wall clock; but never
    before the version before it, also if that clock was set back. What has ended
    is kept for the server's retention from then on; while a refund is required,
    for up to ten times as long.
    """
    end_time: _timestamp_pb2.Timestamp
    r"""When the task ended; unset while it has not."""
    labels: _containers.ScalarMap[str, str]
    r"""What the creator attached to the task: at most 16 entries, keys of 1 to 128
    characters and values of at most 2,048, and 32 KiB of UTF-8 together.
    """
    refund_state: RefundState
    r"""Whether money of this task is to go back."""
    settlement: Settlement
    r"""What was decided by the last SettleRefund; unset while there was none. It
    stays when a later ReportCharge changes `refund_state` once more.
    """
    def __init__(self, task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., checkout_id: _Optional[str] = ..., order_id: _Optional[str] = ..., merchant: _Optional[str] = ..., state: _Optional[_Union[TaskState, str]] = ..., version: _Optional[int] = ..., agent_id: _Optional[str] = ..., charge_state: _Optional[_Union[ChargeState, str]] = ..., refund_required: _Optional[bool] = ..., cancellation_id: _Optional[str] = ..., cancel_reason: _Optional[str] = ..., cancel_message: _Optional[str] = ..., cancel_proof: _Optional[_Union[CancelProof, str]] = ..., deadline_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., failure_message: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., refund_state: _Optional[_Union[RefundState, str]] = ..., settlement: _Optional[_Union[Settlement, _Mapping]] = ...) -> None: ...

class Settlement(_message.Message):
    r"""What somebody decided about a refund that was required."""
    __slots__ = ("outcome", "amount", "currency", "note", "settled_by", "settle_time", "request_id")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    SETTLED_BY_FIELD_NUMBER: _ClassVar[int]
    SETTLE_TIME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    outcome: RefundState
    r"""REFUNDED or NOT_OWED."""
    amount: int
    r"""How much, in minor units of the currency; unset if the caller did not say."""
    currency: str
    r"""The currency of the amount, as the caller gave it; empty if it did not. At
    most 128 characters.
    """
    note: str
    r"""What the caller noted. At most 500 characters."""
    settled_by: str
    r"""The key_id of the API key that called. It is 1 to 128 of
    `A-Z a-z 0-9 . _ : -`.
    """
    settle_time: _timestamp_pb2.Timestamp
    r"""When it was committed."""
    request_id: str
    r"""The request id of the call; empty if it gave none. It is a UUID."""
    def __init__(self, outcome: _Optional[_Union[RefundState, str]] = ..., amount: _Optional[int] = ..., currency: _Optional[str] = ..., note: _Optional[str] = ..., settled_by: _Optional[str] = ..., settle_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class Group(_message.Message):
    r"""Tasks that belong together, for example one per merchant of a checkout. It
    holds at most 10,000 tasks, and carries their counts, never the tasks: list
    or watch those with a `TaskFilter`. Ids of tasks, groups, cancellations and
    requests are UUIDs; those of checkouts, carts, orders and agents are 1 to
    128 of `A-Z a-z 0-9 . _ : -`.
    """
    __slots__ = ("group_id", "checkout_id", "order_id", "closed", "version", "task_counts", "cancellation_id", "create_time", "update_time")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNTS_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_ID_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    r"""The group's UUID, in lower case."""
    checkout_id: str
    r"""The checkout that the group belongs to; empty without one."""
    order_id: str
    r"""The order that the group belongs to; empty without one."""
    closed: bool
    r"""Whether tasks may no longer join: the group was created with `closed`, it
    was cancelled, its checkout was completed or cancelled, or its order was
    cancelled.
    """
    version: int
    r"""Starts at 1 and grows by 1 with every committed change of the group itself:
    tasks that join it, its closing, its cancellation. Changes of its tasks'
    states do not count.
    """
    task_counts: _containers.RepeatedCompositeFieldContainer[TaskCount]
    r"""How many tasks stand in each state; states without a task are left out."""
    cancellation_id: str
    r"""The cancellation of the group itself; empty without one. The cancel of its
    checkout or order covers its tasks and closes it, but is not named here.
    """
    create_time: _timestamp_pb2.Timestamp
    r"""When the group was created."""
    update_time: _timestamp_pb2.Timestamp
    r"""When the present version was committed, by the server's wall clock; but never
    before the version before it, also if that clock was set back.
    """
    def __init__(self, group_id: _Optional[str] = ..., checkout_id: _Optional[str] = ..., order_id: _Optional[str] = ..., closed: _Optional[bool] = ..., version: _Optional[int] = ..., task_counts: _Optional[_Iterable[_Union[TaskCount, _Mapping]]] = ..., cancellation_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TaskCount(_message.Message):
    r"""A number of tasks in one state."""
    __slots__ = ("state", "count")
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    state: TaskState
    r"""The state."""
    count: int
    r"""How many tasks stand in it."""
    def __init__(self, state: _Optional[_Union[TaskState, str]] = ..., count: _Optional[int] = ...) -> None: ...

class TaskFilter(_message.Message):
    r"""Chooses tasks. Fields that are set are ANDed; with none set it chooses all
    tasks of the caller's tenant and environment. Ids of tasks, groups,
    cancellations and requests are UUIDs; those of checkouts, carts, orders and
    agents are 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    """
    __slots__ = ("group_id", "checkout_id", "order_id", "agent_id")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    r"""Only tasks of this group. An unknown group is NOT_FOUND `GROUP_NOT_FOUND`."""
    checkout_id: str
    r"""Only tasks of this checkout. An unknown checkout is NOT_FOUND
    `CHECKOUT_NOT_FOUND`.
    """
    order_id: str
    r"""Only tasks of this order: its own, and those of its checkouts. An unknown
    order is NOT_FOUND `ORDER_NOT_FOUND`.
    """
    agent_id: str
    r"""Only tasks that this agent started. An agent that was never seen has none."""
    def __init__(self, group_id: _Optional[str] = ..., checkout_id: _Optional[str] = ..., order_id: _Optional[str] = ..., agent_id: _Optional[str] = ...) -> None: ...
