import datetime

from countermand.v1 import cancellation_pb2 as _cancellation_pb2
from countermand.v1 import checkout_pb2 as _checkout_pb2
from countermand.v1 import order_pb2 as _order_pb2
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

class WatchType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WATCH_TYPE_UNSPECIFIED: _ClassVar[WatchType]
    WATCH_TYPE_SNAPSHOT: _ClassVar[WatchType]
    WATCH_TYPE_CHANGE: _ClassVar[WatchType]
    WATCH_TYPE_HEARTBEAT: _ClassVar[WatchType]
    WATCH_TYPE_SYNCED: _ClassVar[WatchType]

class SummaryKey(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUMMARY_KEY_UNSPECIFIED: _ClassVar[SummaryKey]
    SUMMARY_KEY_REASON: _ClassVar[SummaryKey]
    SUMMARY_KEY_STATE: _ClassVar[SummaryKey]
    SUMMARY_KEY_PROOF: _ClassVar[SummaryKey]
    SUMMARY_KEY_REFUND: _ClassVar[SummaryKey]
WATCH_TYPE_UNSPECIFIED: WatchType
WATCH_TYPE_SNAPSHOT: WatchType
WATCH_TYPE_CHANGE: WatchType
WATCH_TYPE_HEARTBEAT: WatchType
WATCH_TYPE_SYNCED: WatchType
SUMMARY_KEY_UNSPECIFIED: SummaryKey
SUMMARY_KEY_REASON: SummaryKey
SUMMARY_KEY_STATE: SummaryKey
SUMMARY_KEY_PROOF: SummaryKey
SUMMARY_KEY_REFUND: SummaryKey

class CancelTaskRequest(_message.Message):
    __slots__ = ("task_id", "allow_missing", "reason", "message", "request_id", "grace_period", "expected_version", "validate_only", "on_behalf_of")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOW_MISSING_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    GRACE_PERIOD_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    ON_BEHALF_OF_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    allow_missing: bool
    reason: str
    message: str
    request_id: str
    grace_period: _duration_pb2.Duration
    expected_version: int
    validate_only: bool
    on_behalf_of: str
    def __init__(self, task_id: _Optional[str] = ..., allow_missing: _Optional[bool] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., request_id: _Optional[str] = ..., grace_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., expected_version: _Optional[int] = ..., validate_only: _Optional[bool] = ..., on_behalf_of: _Optional[str] = ...) -> None: ...

class CancelTaskResponse(_message.Message):
    __slots__ = ("task", "cancellation", "replayed", "joined")
    TASK_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    cancellation: _cancellation_pb2.Cancellation
    replayed: bool
    joined: bool
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., cancellation: _Optional[_Union[_cancellation_pb2.Cancellation, _Mapping]] = ..., replayed: _Optional[bool] = ..., joined: _Optional[bool] = ...) -> None: ...

class CancelGroupRequest(_message.Message):
    __slots__ = ("group_id", "reason", "message", "request_id", "grace_period", "expected_version", "validate_only", "on_behalf_of")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    GRACE_PERIOD_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    ON_BEHALF_OF_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    reason: str
    message: str
    request_id: str
    grace_period: _duration_pb2.Duration
    expected_version: int
    validate_only: bool
    on_behalf_of: str
    def __init__(self, group_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., request_id: _Optional[str] = ..., grace_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., expected_version: _Optional[int] = ..., validate_only: _Optional[bool] = ..., on_behalf_of: _Optional[str] = ...) -> None: ...

class CancelGroupResponse(_message.Message):
    __slots__ = ("group", "cancellation", "replayed", "joined")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    group: _task_pb2.Group
    cancellation: _cancellation_pb2.Cancellation
    replayed: bool
    joined: bool
    def __init__(self, group: _Optional[_Union[_task_pb2.Group, _Mapping]] = ..., cancellation: _Optional[_Union[_cancellation_pb2.Cancellation, _Mapping]] = ..., replayed: _Optional[bool] = ..., joined: _Optional[bool] = ...) -> None: ...

class CancelCheckoutRequest(_message.Message):
    __slots__ = ("checkout_id", "cart_id", "reason", "message", "request_id", "grace_period", "expected_version", "validate_only", "on_behalf_of")
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    GRACE_PERIOD_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    ON_BEHALF_OF_FIELD_NUMBER: _ClassVar[int]
    checkout_id: str
    cart_id: str
    reason: str
    message: str
    request_id: str
    grace_period: _duration_pb2.Duration
    expected_version: int
    validate_only: bool
    on_behalf_of: str
    def __init__(self, checkout_id: _Optional[str] = ..., cart_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., request_id: _Optional[str] = ..., grace_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., expected_version: _Optional[int] = ..., validate_only: _Optional[bool] = ..., on_behalf_of: _Optional[str] = ...) -> None: ...

class CancelCheckoutResponse(_message.Message):
    __slots__ = ("checkout", "cancellation", "replayed", "joined")
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    cancellation: _cancellation_pb2.Cancellation
    replayed: bool
    joined: bool
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ..., cancellation: _Optional[_Union[_cancellation_pb2.Cancellation, _Mapping]] = ..., replayed: _Optional[bool] = ..., joined: _Optional[bool] = ...) -> None: ...

class CancelOrderRequest(_message.Message):
    __slots__ = ("order_id", "reason", "message", "request_id", "grace_period", "expected_version", "validate_only", "on_behalf_of")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    GRACE_PERIOD_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    ON_BEHALF_OF_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    reason: str
    message: str
    request_id: str
    grace_period: _duration_pb2.Duration
    expected_version: int
    validate_only: bool
    on_behalf_of: str
    def __init__(self, order_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., request_id: _Optional[str] = ..., grace_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., expected_version: _Optional[int] = ..., validate_only: _Optional[bool] = ..., on_behalf_of: _Optional[str] = ...) -> None: ...

class CancelOrderResponse(_message.Message):
    __slots__ = ("order", "cancellation", "replayed", "joined")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    order: _order_pb2.Order
    cancellation: _cancellation_pb2.Cancellation
    replayed: bool
    joined: bool
    def __init__(self, order: _Optional[_Union[_order_pb2.Order, _Mapping]] = ..., cancellation: _Optional[_Union[_cancellation_pb2.Cancellation, _Mapping]] = ..., replayed: _Optional[bool] = ..., joined: _Optional[bool] = ...) -> None: ...

class WatchTaskRequest(_message.Message):
    __slots__ = ("task_id", "after_version", "heartbeat_interval")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    after_version: int
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, task_id: _Optional[str] = ..., after_version: _Optional[int] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchTaskResponse(_message.Message):
    __slots__ = ("type", "task", "last")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    type: WatchType
    task: _task_pb2.Task
    last: bool
    def __init__(self, type: _Optional[_Union[WatchType, str]] = ..., task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., last: _Optional[bool] = ...) -> None: ...

class WatchTasksRequest(_message.Message):
    __slots__ = ("filter", "resume_token", "heartbeat_interval")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    filter: _task_pb2.TaskFilter
    resume_token: str
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, filter: _Optional[_Union[_task_pb2.TaskFilter, _Mapping]] = ..., resume_token: _Optional[str] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchTasksResponse(_message.Message):
    __slots__ = ("type", "task", "last", "resume_token")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    type: WatchType
    task: _task_pb2.Task
    last: bool
    resume_token: str
    def __init__(self, type: _Optional[_Union[WatchType, str]] = ..., task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., last: _Optional[bool] = ..., resume_token: _Optional[str] = ...) -> None: ...

class WatchCheckoutRequest(_message.Message):
    __slots__ = ("checkout_id", "after_version", "heartbeat_interval")
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    checkout_id: str
    after_version: int
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, checkout_id: _Optional[str] = ..., after_version: _Optional[int] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchCheckoutResponse(_message.Message):
    __slots__ = ("type", "checkout", "last")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    type: WatchType
    checkout: _checkout_pb2.Checkout
    last: bool
    def __init__(self, type: _Optional[_Union[WatchType, str]] = ..., checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ..., last: _Optional[bool] = ...) -> None: ...

class WatchOrderRequest(_message.Message):
    __slots__ = ("order_id", "after_version", "heartbeat_interval")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    after_version: int
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, order_id: _Optional[str] = ..., after_version: _Optional[int] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchOrderResponse(_message.Message):
    __slots__ = ("type", "order", "last")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    type: WatchType
    order: _order_pb2.Order
    last: bool
    def __init__(self, type: _Optional[_Union[WatchType, str]] = ..., order: _Optional[_Union[_order_pb2.Order, _Mapping]] = ..., last: _Optional[bool] = ...) -> None: ...

class GetCancellationRequest(_message.Message):
    __slots__ = ("cancellation_id",)
    CANCELLATION_ID_FIELD_NUMBER: _ClassVar[int]
    cancellation_id: str
    def __init__(self, cancellation_id: _Optional[str] = ...) -> None: ...

class GetCancellationResponse(_message.Message):
    __slots__ = ("cancellation",)
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    cancellation: _cancellation_pb2.Cancellation
    def __init__(self, cancellation: _Optional[_Union[_cancellation_pb2.Cancellation, _Mapping]] = ...) -> None: ...

class ListCancellationsRequest(_message.Message):
    __slots__ = ("task_id", "group_id", "checkout_id", "order_id", "reason", "state", "start_time", "end_time", "page_size", "page_token")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    group_id: str
    checkout_id: str
    order_id: str
    reason: str
    state: _cancellation_pb2.CancellationState
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    page_size: int
    page_token: str
    def __init__(self, task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., checkout_id: _Optional[str] = ..., order_id: _Optional[str] = ..., reason: _Optional[str] = ..., state: _Optional[_Union[_cancellation_pb2.CancellationState, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCancellationsResponse(_message.Message):
    __slots__ = ("cancellations", "next_page_token")
    CANCELLATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    cancellations: _containers.RepeatedCompositeFieldContainer[_cancellation_pb2.Cancellation]
    next_page_token: str
    def __init__(self, cancellations: _Optional[_Iterable[_Union[_cancellation_pb2.Cancellation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SummarizeCancellationsRequest(_message.Message):
    __slots__ = ("start_time", "end_time", "group_by")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    group_by: SummaryKey
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., group_by: _Optional[_Union[SummaryKey, str]] = ...) -> None: ...

class SummarizeCancellationsResponse(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[SummaryRow]
    def __init__(self, rows: _Optional[_Iterable[_Union[SummaryRow, _Mapping]]] = ...) -> None: ...

class SummaryRow(_message.Message):
    __slots__ = ("key", "count")
    KEY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    key: str
    count: int
    def __init__(self, key: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...
