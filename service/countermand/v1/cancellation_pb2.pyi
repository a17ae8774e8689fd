import datetime

from countermand.v1 import task_pb2 as _task_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CancellationState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""How a cancellation stands.

    It is decided when the last covered task has ended, from two counts: the
    tasks that ended CANCELLED after the accept (stopped), and the tasks that are
    COMPLETED, of an order only those that became so after the accept. FAILED
    tasks count in neither.
    """
    __slots__ = ()
    CANCELLATION_STATE_UNSPECIFIED: _ClassVar[CancellationState]
    r"""Never sent."""
    CANCELLATION_STATE_IN_PROGRESS: _ClassVar[CancellationState]
    r"""Some covered task has not ended, or the one task is yet to be created."""
    CANCELLATION_STATE_SUCCEEDED: _ClassVar[CancellationState]
    r"""No covered task is COMPLETED, and tasks were stopped, or the target is a
    checkout or order, which is cancelled also without a task to stop.
    """
    CANCELLATION_STATE_PARTIAL: _ClassVar[CancellationState]
    r"""Tasks were stopped, and others are COMPLETED."""
    CANCELLATION_STATE_TOO_LATE: _ClassVar[CancellationState]
    r"""No task was stopped, since all had ended or finished in spite of the cancel;
    of a checkout or order only if some of them are COMPLETED. Or the one task
    was not created within 24 h.
    """

class Disposition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""What a cancel did to one task."""
    __slots__ = ()
    DISPOSITION_UNSPECIFIED: _ClassVar[Disposition]
    r"""Never sent."""
    DISPOSITION_STOPPING: _ClassVar[Disposition]
    r"""The task was running and winds down; it has not ended."""
    DISPOSITION_STOPPED: _ClassVar[Disposition]
    r"""The cancel stopped the task: it ended CANCELLED after the accept."""
    DISPOSITION_SKIPPED: _ClassVar[Disposition]
    r"""The cancel did not stop the task: it had ended before, or it finished in
    spite of the cancel. `task_state` says how.
    """
CANCELLATION_STATE_UNSPECIFIED: CancellationState
r"""Never sent."""
CANCELLATION_STATE_IN_PROGRESS: CancellationState
r"""Some covered task has not ended, or the one task is yet to be created."""
CANCELLATION_STATE_SUCCEEDED: CancellationState
r"""No covered task is COMPLETED, and tasks were stopped, or the target is a
checkout or order, which is cancelled also without a task to stop.
"""
CANCELLATION_STATE_PARTIAL: CancellationState
r"""Tasks were stopped, and others are COMPLETED."""
CANCELLATION_STATE_TOO_LATE: CancellationState
r"""No task was stopped, since all had ended or finished in spite of the cancel;
of a checkout or order only if some of them are COMPLETED. Or the one task
was not created within 24 h.
"""
DISPOSITION_UNSPECIFIED: Disposition
r"""Never sent."""
DISPOSITION_STOPPING: Disposition
r"""The task was running and winds down; it has not ended."""
DISPOSITION_STOPPED: Disposition
r"""The cancel stopped the task: it ended CANCELLED after the accept."""
DISPOSITION_SKIPPED: Disposition
r"""The cancel did not stop the task: it had ended before, or it finished in
spite of the cancel. `task_state` says how.
"""

class Cancellation(_message.Message):
    r"""The record of one accepted cancel: who asked, why, what it covered, and how
    each task ended. It is committed together with all that it changes. Ids of
    tasks, groups, cancellations and requests are UUIDs; those of checkouts,
    carts, orders and agents are 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    """
    __slots__ = ("cancellation_id", "task_id", "group_id", "checkout_id", "order_id", "reason", "message", "requested_by", "certificate_name", "on_behalf_of", "request_id", "state", "create_time", "deadline_time", "end_time", "trace_id", "results", "joins", "join_count", "requested_by_name")
    CANCELLATION_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_NAME_FIELD_NUMBER: _ClassVar[int]
    ON_BEHALF_OF_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    JOINS_FIELD_NUMBER: _ClassVar[int]
    JOIN_COUNT_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_BY_NAME_FIELD_NUMBER: _ClassVar[int]
    cancellation_id: str
    r"""The cancellation's UUID, a UUIDv7 of ours."""
    task_id: str
    r"""A single task, which may be yet to be created."""
    group_id: str
    r"""A group, with all tasks that it held."""
    checkout_id: str
    r"""A checkout, with all tasks that it held."""
    order_id: str
    r"""An order, with its own tasks and those of its checkouts."""
    reason: str
    r"""Why, as the caller said; it is open text. Well-known reasons:
    customer_requested, cart_changed, duplicate_order, fraud, compliance,
    timeout, inventory_unavailable, superseded, integrator_abort. At most 128
    characters.
    """
    message: str
    r"""What the caller wants people to read. At most 500 characters."""
    requested_by: str
    r"""The key_id of the API key that called, or `system:expiry` for a task or
    checkout whose `expire_time` passed. A key_id is 1 to 128 of
    `A-Z a-z 0-9 . _ : -`.
    """
    certificate_name: str
    r"""The name in the client certificate with which that call came: its first
    subject alternative name, or its common name if it has none. Empty if the
    server demands no certificate, and for `system:expiry`. At most 256
    characters.
    """
    on_behalf_of: str
    r"""Whom the caller said that it acts for. At most 256 characters."""
    request_id: str
    r"""The request id of the call that was accepted; empty if it gave none."""
    state: CancellationState
    r"""How the cancel stands."""
    create_time: _timestamp_pb2.Timestamp
    r"""When the cancel was accepted."""
    deadline_time: _timestamp_pb2.Timestamp
    r"""By when all of its tasks have ended at the latest; unset when no task had to
    be waited for. A join may bring it nearer, never farther.
    """
    end_time: _timestamp_pb2.Timestamp
    r"""When the last covered task ended, or the accept itself if none had to be
    waited for, or when a task had not been created in time; unset while
    IN_PROGRESS.
    """
    trace_id: str
    r"""The trace that tells the whole story of this cancel, from the call to the
    last task's end: 32 hexadecimal digits, set whether the trace is sampled
    or not.
    """
    results: _containers.RepeatedCompositeFieldContainer[CancellationResult]
    r"""One entry for each covered task, in the order of their creation.
    ListCancellations leaves them out. There are at most 10,000.
    """
    joins: _containers.RepeatedCompositeFieldContainer[CancellationJoin]
    r"""Who else asked for what was being cancelled already, in order: at most 16, the
    first ones. ListCancellations leaves them out.
    """
    join_count: int
    r"""How many cancels joined this one, also beyond the first 16."""
    requested_by_name: str
    r"""What people call the key of `requested_by`; empty if it has no name, or is no
    key. At most 128 characters.
    """
    def __init__(self, cancellation_id: _Optional[str] = ..., task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., checkout_id: _Optional[str] = ..., order_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., requested_by: _Optional[str] = ..., certificate_name: _Optional[str] = ..., on_behalf_of: _Optional[str] = ..., request_id: _Optional[str] = ..., state: _Optional[_Union[CancellationState, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deadline_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., trace_id: _Optional[str] = ..., results: _Optional[_Iterable[_Union[CancellationResult, _Mapping]]] = ..., joins: _Optional[_Iterable[_Union[CancellationJoin, _Mapping]]] = ..., join_count: _Optional[int] = ..., requested_by_name: _Optional[str] = ...) -> None: ...

class CancellationJoin(_message.Message):
    r"""A cancel that was answered with the cancellation of another request."""
    __slots__ = ("requested_by", "reason", "message", "on_behalf_of", "request_id", "join_time")
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ON_BEHALF_OF_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    JOIN_TIME_FIELD_NUMBER: _ClassVar[int]
    requested_by: str
    r"""The key_id of the API key that called: 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    reason: str
    r"""Why, as that caller said. At most 128 characters."""
    message: str
    r"""What that caller wants people to read. At most 500 characters."""
    on_behalf_of: str
    r"""Whom that caller said that it acts for. At most 256 characters."""
    request_id: str
    r"""The request id of that call, a UUID; empty if it gave none."""
    join_time: _timestamp_pb2.Timestamp
    r"""When it was accepted."""
    def __init__(self, requested_by: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., on_behalf_of: _Optional[str] = ..., request_id: _Optional[str] = ..., join_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CancellationResult(_message.Message):
    r"""What became of one task under a cancellation. Ids of tasks, groups,
    cancellations and requests are UUIDs; those of checkouts, carts, orders and
    agents are 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    """
    __slots__ = ("task_id", "disposition", "task_state", "cancel_proof", "refund_required", "refund_state")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    DISPOSITION_FIELD_NUMBER: _ClassVar[int]
    TASK_STATE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_PROOF_FIELD_NUMBER: _ClassVar[int]
    REFUND_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    REFUND_STATE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    r"""The task."""
    disposition: Disposition
    r"""What the cancel did to the task."""
    task_state: _task_pb2.TaskState
    r"""The task's present state, which is its last one once it has ended."""
    cancel_proof: _task_pb2.CancelProof
    r"""How it is known that the task stopped; set exactly when `task_state` is
    CANCELLED.
    """
    refund_required: bool
    r"""Whether somebody has to decide whether money goes back: true exactly while
    `refund_state` is REQUIRED.
    """
    refund_state: _task_pb2.RefundState
    r"""The task's `refund_state` as it is now; also of a task that is SKIPPED."""
    def __init__(self, task_id: _Optional[str] = ..., disposition: _Optional[_Union[Disposition, str]] = ..., task_state: _Optional[_Union[_task_pb2.TaskState, str]] = ..., cancel_proof: _Optional[_Union[_task_pb2.CancelProof, str]] = ..., refund_required: _Optional[bool] = ..., refund_state: _Optional[_Union[_task_pb2.RefundState, str]] = ...) -> None: ...
