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
    __slots__ = ()
    FINISH_OUTCOME_UNSPECIFIED: _ClassVar[FinishOutcome]
    FINISH_OUTCOME_COMPLETED: _ClassVar[FinishOutcome]
    FINISH_OUTCOME_FAILED: _ClassVar[FinishOutcome]
    FINISH_OUTCOME_CANCELLED: _ClassVar[FinishOutcome]
FINISH_OUTCOME_UNSPECIFIED: FinishOutcome
FINISH_OUTCOME_COMPLETED: FinishOutcome
FINISH_OUTCOME_FAILED: FinishOutcome
FINISH_OUTCOME_CANCELLED: FinishOutcome

class StartTaskRequest(_message.Message):
    __slots__ = ("task_id", "agent_id", "lease_duration")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_DURATION_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    agent_id: str
    lease_duration: _duration_pb2.Duration
    def __init__(self, task_id: _Optional[str] = ..., agent_id: _Optional[str] = ..., lease_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class StartTaskResponse(_message.Message):
    __slots__ = ("task", "fence")
    TASK_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    fence: int
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., fence: _Optional[int] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("agent_id", "lease_duration")
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_DURATION_FIELD_NUMBER: _ClassVar[int]
    agent_id: str
    lease_duration: _duration_pb2.Duration
    def __init__(self, agent_id: _Optional[str] = ..., lease_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class HeartbeatResponse(_message.Message):
    __slots__ = ("stops",)
    STOPS_FIELD_NUMBER: _ClassVar[int]
    stops: _containers.RepeatedCompositeFieldContainer[Stop]
    def __init__(self, stops: _Optional[_Iterable[_Union[Stop, _Mapping]]] = ...) -> None: ...

class Stop(_message.Message):
    __slots__ = ("task_id", "reason", "message", "deadline_time")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_TIME_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    reason: str
    message: str
    deadline_time: _timestamp_pb2.Timestamp
    def __init__(self, task_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., deadline_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class BeginChargeRequest(_message.Message):
    __slots__ = ("task_id", "fence")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    fence: int
    def __init__(self, task_id: _Optional[str] = ..., fence: _Optional[int] = ...) -> None: ...

class BeginChargeResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class ReportChargeRequest(_message.Message):
    __slots__ = ("task_id", "fence", "charge_state")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    CHARGE_STATE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    fence: int
    charge_state: _task_pb2.ChargeState
    def __init__(self, task_id: _Optional[str] = ..., fence: _Optional[int] = ..., charge_state: _Optional[_Union[_task_pb2.ChargeState, str]] = ...) -> None: ...

class ReportChargeResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class FinishTaskRequest(_message.Message):
    __slots__ = ("task_id", "fence", "outcome", "failure_message")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    FENCE_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    FAILURE_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    fence: int
    outcome: FinishOutcome
    failure_message: str
    def __init__(self, task_id: _Optional[str] = ..., fence: _Optional[int] = ..., outcome: _Optional[_Union[FinishOutcome, str]] = ..., failure_message: _Optional[str] = ...) -> None: ...

class FinishTaskResponse(_message.Message):
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...
