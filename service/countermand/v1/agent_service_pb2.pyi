import datetime

from countermand.v1 import task_pb2 as _task_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FinishOutcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""How an agent says that a task ended."""
    __slots__ = ()
    FINISH_OUTCOME_UNSPECIFIED: _ClassVar[FinishOutcome]
    r"""Refused with INVALID_ARGUMENT."""
    FINISH_OUTCOME_COMPLETED: _ClassVar[FinishOutcome]
    r"""The work is done."""
    FINISH_OUTCOME_FAILED: _ClassVar[FinishOutcome]
    r"""The work could not be done; `failure_message` says why."""
    FINISH_OUTCOME_CANCELLED: _ClassVar[FinishOutcome]
    r"""The work was stopped because of a cancel."""
FINISH_OUTCOME_UNSPECIFIED: FinishOutcome
r"""Refused with INVALID_ARGUMENT."""
FINISH_OUTCOME_COMPLETED: FinishOutcome
r"""The work is done."""
FINISH_OUTCOME_FAILED: FinishOutcome
r"""The work could not be done; `failure_message` says why."""
FINISH_OUTCOME_CANCELLED: FinishOutcome
r"""The work was stopped because of a cancel."""

class StartTaskRequest(_message.Message):
    r"""Starts a task."""
    __slots__ = ("task_id", "agent_id", "lease_duration")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_DURATION_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    r"""The task's UUID, in any case."""
    agent_id: str
    r"""The agent: 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    lease_duration: _duration_pb2.Duration
    r"""How long the agent's lease lives from now: 30 s if absent, 1 s to 1 h. It
    never shortens a lease that lives longer.
    """
    def __init__(self, task_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., lease_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class StartTaskResponse(_message.Message):
    r"""The answer to StartTask."""
    __slots__ = ("task", "fence")
    TASK_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    r"""The task, RUNNING, or CANCELLING if it is already to stop."""
    fence: int
    r"""The number to pass with every later call for this task."""
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., fence: _Optional[int] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    r"""Renews a lease."""
    __slots__ = ("agent_id", "lease_duration")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_DURATION_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    r"""The agent: 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    lease_duration: _duration_pb2.Duration
    r"""How long the agent's lease lives from now: 30 s if absent, 1 s to 1 h. It may
    shorten a lease that lived longer.
    """
    def __init__(self, agent_id: _Optional[str] = ..., lease_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class HeartbeatResponse(_message.Message):
    r"""The answer to Heartbeat."""
    __slots__ = ("stops",)
    STOPS_FIELD_NUMBER: _ClassVar[int]
    stops: _containers.RepeatedCompositeFieldContainer[Stop]
    r"""The agent's CANCELLING tasks, nearest deadline first, at most 1,000."""
    def __init__(self, stops: _Optional[_Iterable[_Union[Stop, _Mapping]]] = ...) -> None: ...

class Stop(_message.Message):
    r"""One task that its agent is asked to stop. Ids of tasks, groups,
    cancellations and requests are UUIDs; those of checkouts, carts, orders and
    agents are 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    """
    __slots__ = ("task_id", "reason", "message", "deadline_time")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_TIME_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    r"""The task."""
    reason: str
    r"""Why, as the canceller said. At most 128 characters."""
    message: str
    r"""What the canceller wants people to read. At most 500 characters."""
    deadline_time: _timestamp_pb2.Timestamp
    r"""When the task is ended by force."""
    def __init__(self, task_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., deadline_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BeginChargeRequest(_message.Message):
    r"""Asks to take money."""
    __slots__ = ("task_id", "fence")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    r"""The task's UUID, in any case."""
    fence: int
    r"""The number that StartTask gave."""
    def __init__(self, task_id: _Optional[str] = ..., fence: _Optional[int] = ...) -> None: ...

class BeginChargeResponse(_message.Message):
    r"""The answer to BeginCharge."""
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    r"""The task. Take money only if its `charge_state` is BEGUN."""
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class ReportChargeRequest(_message.Message):
    r"""Says what came of taking money."""
    __slots__ = ("task_id", "fence", "charge_state")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    CHARGE_STATE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    r"""The task's UUID, in any case."""
    fence: int
    r"""The number that StartTask gave."""
    charge_state: _task_pb2.ChargeState
    r"""CAPTURED, FAILED or VOIDED."""
    def __init__(self, task_id: _Optional[str] = ..., fence: _Optional[int] = ..., charge_state: _Optional[_Union[_task_pb2.ChargeState, str]] = ...) -> None: ...

class ReportChargeResponse(_message.Message):
    r"""The answer to ReportCharge."""
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    r"""The task."""
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class FinishTaskRequest(_message.Message):
    r"""Ends a task."""
    __slots__ = ("task_id", "fence", "outcome", "failure_message")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    FAILURE_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    r"""The task's UUID, in any case."""
    fence: int
    r"""The number that StartTask gave."""
    outcome: FinishOutcome
    r"""How the task ended."""
    failure_message: str
    r"""Why the task failed: at most 500 characters, and only with FAILED."""
    def __init__(self, task_id: _Optional[str] = ..., fence: _Optional[int] = ..., outcome: _Optional[_Union[FinishOutcome, str]] = ..., failure_message: _Optional[str] = ...) -> None: ...

class FinishTaskResponse(_message.Message):
    r"""The answer to FinishTask."""
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    r"""The task as it ended."""
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...
