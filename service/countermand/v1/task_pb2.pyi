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
    __slots__ = ()
    TASK_STATE_UNSPECIFIED: _ClassVar[TaskState]
    TASK_STATE_PENDING: _ClassVar[TaskState]
    TASK_STATE_RUNNING: _ClassVar[TaskState]
    TASK_STATE_CANCELLING: _ClassVar[TaskState]
    TASK_STATE_CANCELLED: _ClassVar[TaskState]
    TASK_STATE_COMPLETED: _ClassVar[TaskState]
    TASK_STATE_FAILED: _ClassVar[TaskState]

class CancelProof(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CANCEL_PROOF_UNSPECIFIED: _ClassVar[CancelProof]
    CANCEL_PROOF_NEVER_STARTED: _ClassVar[CancelProof]
    CANCEL_PROOF_ACKNOWLEDGED: _ClassVar[CancelProof]
    CANCEL_PROOF_FORCED: _ClassVar[CancelProof]
    CANCEL_PROOF_AGENT_LOST: _ClassVar[CancelProof]

class ChargeState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHARGE_STATE_UNSPECIFIED: _ClassVar[ChargeState]
    CHARGE_STATE_NONE: _ClassVar[ChargeState]
    CHARGE_STATE_BEGUN: _ClassVar[ChargeState]
    CHARGE_STATE_CAPTURED: _ClassVar[ChargeState]
    CHARGE_STATE_FAILED: _ClassVar[ChargeState]
    CHARGE_STATE_VOIDED: _ClassVar[ChargeState]

class RefundState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFUND_STATE_UNSPECIFIED: _ClassVar[RefundState]
    REFUND_STATE_NONE: _ClassVar[RefundState]
    REFUND_STATE_REQUIRED: _ClassVar[RefundState]
    REFUND_STATE_REFUNDED: _ClassVar[RefundState]
    REFUND_STATE_NOT_OWED: _ClassVar[RefundState]
TASK_STATE_UNSPECIFIED: TaskState
TASK_STATE_PENDING: TaskState
TASK_STATE_RUNNING: TaskState
TASK_STATE_CANCELLING: TaskState
TASK_STATE_CANCELLED: TaskState
TASK_STATE_COMPLETED: TaskState
TASK_STATE_FAILED: TaskState
CANCEL_PROOF_UNSPECIFIED: CancelProof
CANCEL_PROOF_NEVER_STARTED: CancelProof
CANCEL_PROOF_ACKNOWLEDGED: CancelProof
CANCEL_PROOF_FORCED: CancelProof
CANCEL_PROOF_AGENT_LOST: CancelProof
CHARGE_STATE_UNSPECIFIED: ChargeState
CHARGE_STATE_NONE: ChargeState
CHARGE_STATE_BEGUN: ChargeState
CHARGE_STATE_CAPTURED: ChargeState
CHARGE_STATE_FAILED: ChargeState
CHARGE_STATE_VOIDED: ChargeState
REFUND_STATE_UNSPECIFIED: RefundState
REFUND_STATE_NONE: RefundState
REFUND_STATE_REQUIRED: RefundState
REFUND_STATE_REFUNDED: RefundState
REFUND_STATE_NOT_OWED: RefundState

class Task(_message.Message):
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
    group_id: str
    checkout_id: str
    order_id: str
    merchant: str
    state: TaskState
    version: int
    agent_id: str
    charge_state: ChargeState
    refund_required: bool
    cancellation_id: str
    cancel_reason: str
    cancel_message: str
    cancel_proof: CancelProof
    deadline_time: _timestamp_pb2.Timestamp
    failure_message: str
    expire_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    start_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    labels: _containers.ScalarMap[str, str]
    refund_state: RefundState
    settlement: Settlement
    def __init__(self, task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., checkout_id: _Optional[str] = ..., order_id: _Optional[str] = ..., merchant: _Optional[str] = ..., state: _Optional[_Union[TaskState, str]] = ..., version: _Optional[int] = ..., agent_id: _Optional[str] = ..., charge_state: _Optional[_Union[ChargeState, str]] = ..., refund_required: _Optional[bool] = ..., cancellation_id: _Optional[str] = ..., cancel_reason: _Optional[str] = ..., cancel_message: _Optional[str] = ..., cancel_proof: _Optional[_Union[CancelProof, str]] = ..., deadline_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., failure_message: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., labels: _Optional[_Mapping[str, str]] = ..., refund_state: _Optional[_Union[RefundState, str]] = ..., settlement: _Optional[_Union[Settlement, _Mapping]] = ...) -> None: ...

class Settlement(_message.Message):
    __slots__ = ("outcome", "amount", "currency", "note", "settled_by", "settle_time", "request_id")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    SETTLED_BY_FIELD_NUMBER: _ClassVar[int]
    SETTLE_TIME_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    outcome: RefundState
    amount: int
    currency: str
    note: str
    settled_by: str
    settle_time: _timestamp_pb2.Timestamp
    request_id: str
    def __init__(self, outcome: _Optional[_Union[RefundState, str]] = ..., amount: _Optional[int] = ..., currency: _Optional[str] = ..., note: _Optional[str] = ..., settled_by: _Optional[str] = ..., settle_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., request_id: _Optional[str] = ...) -> None: ...

class Group(_message.Message):
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
    checkout_id: str
    order_id: str
    closed: bool
    version: int
    task_counts: _containers.RepeatedCompositeFieldContainer[TaskCount]
    cancellation_id: str
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    def __init__(self, group_id: _Optional[str] = ..., checkout_id: _Optional[str] = ..., order_id: _Optional[str] = ..., closed: _Optional[bool] = ..., version: _Optional[int] = ..., task_counts: _Optional[_Iterable[_Union[TaskCount, _Mapping]]] = ..., cancellation_id: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class TaskCount(_message.Message):
    __slots__ = ("state", "count")
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    state: TaskState
    count: int
    def __init__(self, state: _Optional[_Union[TaskState, str]] = ..., count: _Optional[int] = ...) -> None: ...

class TaskFilter(_message.Message):
    __slots__ = ("group_id", "checkout_id", "order_id", "agent_id")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    checkout_id: str
    order_id: str
    agent_id: str
    def __init__(self, group_id: _Optional[str] = ..., checkout_id: _Optional[str] = ..., order_id: _Optional[str] = ..., agent_id: _Optional[str] = ...) -> None: ...
