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
    __slots__ = ()
    CANCELLATION_STATE_UNSPECIFIED: _ClassVar[CancellationState]
    CANCELLATION_STATE_IN_PROGRESS: _ClassVar[CancellationState]
    CANCELLATION_STATE_SUCCEEDED: _ClassVar[CancellationState]
    CANCELLATION_STATE_PARTIAL: _ClassVar[CancellationState]
    CANCELLATION_STATE_TOO_LATE: _ClassVar[CancellationState]

class Disposition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DISPOSITION_UNSPECIFIED: _ClassVar[Disposition]
    DISPOSITION_STOPPING: _ClassVar[Disposition]
    DISPOSITION_STOPPED: _ClassVar[Disposition]
    DISPOSITION_SKIPPED: _ClassVar[Disposition]
CANCELLATION_STATE_UNSPECIFIED: CancellationState
CANCELLATION_STATE_IN_PROGRESS: CancellationState
CANCELLATION_STATE_SUCCEEDED: CancellationState
CANCELLATION_STATE_PARTIAL: CancellationState
CANCELLATION_STATE_TOO_LATE: CancellationState
DISPOSITION_UNSPECIFIED: Disposition
DISPOSITION_STOPPING: Disposition
DISPOSITION_STOPPED: Disposition
DISPOSITION_SKIPPED: Disposition

class Cancellation(_message.Message):
    __slots__ = ("cancellation_id", "task_id", "group_id", "checkout_id", "order_id", "reason", "message", "requested_by", "certificate_name", "on_behalf_of", "request_id", "state", "create_time", "deadline_time", "end_time", "trace_id", "results", "joins", "join_count")
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
    cancellation_id: str
    task_id: str
    group_id: str
    checkout_id: str
    order_id: str
    reason: str
    message: str
    requested_by: str
    certificate_name: str
    on_behalf_of: str
    request_id: str
    state: CancellationState
    create_time: _timestamp_pb2.Timestamp
    deadline_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    trace_id: str
    results: _containers.RepeatedCompositeFieldContainer[CancellationResult]
    joins: _containers.RepeatedCompositeFieldContainer[CancellationJoin]
    join_count: int
    def __init__(self, cancellation_id: _Optional[str] = ..., task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., checkout_id: _Optional[str] = ..., order_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., requested_by: _Optional[str] = ..., certificate_name: _Optional[str] = ..., on_behalf_of: _Optional[str] = ..., request_id: _Optional[str] = ..., state: _Optional[_Union[CancellationState, str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., deadline_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., trace_id: _Optional[str] = ..., results: _Optional[_Iterable[_Union[CancellationResult, _Mapping]]] = ..., joins: _Optional[_Iterable[_Union[CancellationJoin, _Mapping]]] = ..., join_count: _Optional[int] = ...) -> None: ...

class CancellationJoin(_message.Message):
    __slots__ = ("requested_by", "reason", "message", "on_behalf_of", "request_id", "join_time")
    REQUESTED_BY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    ON_BEHALF_OF_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    JOIN_TIME_FIELD_NUMBER: _ClassVar[int]
    requested_by: str
    reason: str
    message: str
    on_behalf_of: str
    request_id: str
    join_time: _timestamp_pb2.Timestamp
    def __init__(self, requested_by: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., on_behalf_of: _Optional[str] = ..., request_id: _Optional[str] = ..., join_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CancellationResult(_message.Message):
    __slots__ = ("task_id", "disposition", "task_state", "cancel_proof", "refund_required", "refund_state")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    DISPOSITION_FIELD_NUMBER: _ClassVar[int]
    TASK_STATE_FIELD_NUMBER: _ClassVar[int]
    CANCEL_PROOF_FIELD_NUMBER: _ClassVar[int]
    REFUND_REQUIRED_FIELD_NUMBER: _ClassVar[int]
    REFUND_STATE_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    disposition: Disposition
    task_state: _task_pb2.TaskState
    cancel_proof: _task_pb2.CancelProof
    refund_required: bool
    refund_state: _task_pb2.RefundState
    def __init__(self, task_id: _Optional[str] = ..., disposition: _Optional[_Union[Disposition, str]] = ..., task_state: _Optional[_Union[_task_pb2.TaskState, str]] = ..., cancel_proof: _Optional[_Union[_task_pb2.CancelProof, str]] = ..., refund_required: _Optional[bool] = ..., refund_state: _Optional[_Union[_task_pb2.RefundState, str]] = ...) -> None: ...
