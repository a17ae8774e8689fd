import datetime

from countermand.v1 import cancellation_service_pb2 as _cancellation_service_pb2
from countermand.v1 import task_pb2 as _task_pb2
from countermand.v1 import task_service_pb2 as _task_service_pb2
from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OperatorTask(_message.Message):
    __slots__ = ("tenant", "environment", "task")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    environment: str
    task: _task_pb2.Task
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class OperatorServiceListTasksRequest(_message.Message):
    __slots__ = ("tenant", "environment", "filter", "states", "page_size", "page_token", "refund_state", "merchant", "label", "deadline_before", "order_by")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REFUND_STATE_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    environment: str
    filter: _task_pb2.TaskFilter
    states: _containers.RepeatedScalarFieldContainer[_task_pb2.TaskState]
    page_size: int
    page_token: str
    refund_state: _task_pb2.RefundState
    merchant: str
    label: _task_service_pb2.Label
    deadline_before: _timestamp_pb2.Timestamp
    order_by: str
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., filter: _Optional[_Union[_task_pb2.TaskFilter, _Mapping]] = ..., states: _Optional[_Iterable[_Union[_task_pb2.TaskState, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., refund_state: _Optional[_Union[_task_pb2.RefundState, str]] = ..., merchant: _Optional[str] = ..., label: _Optional[_Union[_task_service_pb2.Label, _Mapping]] = ..., deadline_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., order_by: _Optional[str] = ...) -> None: ...

class OperatorServiceListTasksResponse(_message.Message):
    __slots__ = ("tasks", "next_page_token")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[OperatorTask]
    next_page_token: str
    def __init__(self, tasks: _Optional[_Iterable[_Union[OperatorTask, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class OperatorServiceWatchTasksRequest(_message.Message):
    __slots__ = ("tenant", "environment", "heartbeat_interval")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    environment: str
    heartbeat_interval: _duration_pb2.Duration
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class OperatorServiceWatchTasksResponse(_message.Message):
    __slots__ = ("type", "task")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    type: _cancellation_service_pb2.WatchType
    task: OperatorTask
    def __init__(self, type: _Optional[_Union[_cancellation_service_pb2.WatchType, str]] = ..., task: _Optional[_Union[OperatorTask, _Mapping]] = ...) -> None: ...

class GetServerStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerStatusResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: ServerStatus
    def __init__(self, status: _Optional[_Union[ServerStatus, _Mapping]] = ...) -> None: ...

class ServerStatus(_message.Message):
    __slots__ = ("version", "start_time", "schema", "store_kind", "store_bytes", "wal_bytes", "task_counts", "task_count_time", "live_agents", "open_watches", "max_open_watches", "overdue_count", "oldest_overdue_time", "last_commit_duration", "last_commit_time", "free_disk_bytes", "refusals", "replica_id")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    STORE_KIND_FIELD_NUMBER: _ClassVar[int]
    STORE_BYTES_FIELD_NUMBER: _ClassVar[int]
    WAL_BYTES_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNTS_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNT_TIME_FIELD_NUMBER: _ClassVar[int]
    LIVE_AGENTS_FIELD_NUMBER: _ClassVar[int]
    OPEN_WATCHES_FIELD_NUMBER: _ClassVar[int]
    MAX_OPEN_WATCHES_FIELD_NUMBER: _ClassVar[int]
    OVERDUE_COUNT_FIELD_NUMBER: _ClassVar[int]
    OLDEST_OVERDUE_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_COMMIT_DURATION_FIELD_NUMBER: _ClassVar[int]
    LAST_COMMIT_TIME_FIELD_NUMBER: _ClassVar[int]
    FREE_DISK_BYTES_FIELD_NUMBER: _ClassVar[int]
    REFUSALS_FIELD_NUMBER: _ClassVar[int]
    REPLICA_ID_FIELD_NUMBER: _ClassVar[int]
    version: str
    start_time: _timestamp_pb2.Timestamp
    schema: int
    store_kind: str
    store_bytes: int
    wal_bytes: int
    task_counts: _containers.RepeatedCompositeFieldContainer[_task_pb2.TaskCount]
    task_count_time: _timestamp_pb2.Timestamp
    live_agents: int
    open_watches: int
    max_open_watches: int
    overdue_count: int
    oldest_overdue_time: _timestamp_pb2.Timestamp
    last_commit_duration: _duration_pb2.Duration
    last_commit_time: _timestamp_pb2.Timestamp
    free_disk_bytes: int
    refusals: _containers.RepeatedCompositeFieldContainer[RefusalCount]
    replica_id: str
    def __init__(self, version: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., schema: _Optional[int] = ..., store_kind: _Optional[str] = ..., store_bytes: _Optional[int] = ..., wal_bytes: _Optional[int] = ..., task_counts: _Optional[_Iterable[_Union[_task_pb2.TaskCount, _Mapping]]] = ..., task_count_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., live_agents: _Optional[int] = ..., open_watches: _Optional[int] = ..., max_open_watches: _Optional[int] = ..., overdue_count: _Optional[int] = ..., oldest_overdue_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_commit_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., last_commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., free_disk_bytes: _Optional[int] = ..., refusals: _Optional[_Iterable[_Union[RefusalCount, _Mapping]]] = ..., replica_id: _Optional[str] = ...) -> None: ...

class RefusalCount(_message.Message):
    __slots__ = ("key_id", "reason", "count")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    reason: str
    count: int
    def __init__(self, key_id: _Optional[str] = ..., reason: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class ListAgentsRequest(_message.Message):
    __slots__ = ("tenant", "environment", "page_size", "page_token")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    environment: str
    page_size: int
    page_token: str
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAgentsResponse(_message.Message):
    __slots__ = ("agents", "next_page_token")
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[Agent]
    next_page_token: str
    def __init__(self, agents: _Optional[_Iterable[_Union[Agent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Agent(_message.Message):
    __slots__ = ("tenant", "environment", "agent_id", "live", "lease_end_time", "lost_time", "task_counts")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    LEASE_END_TIME_FIELD_NUMBER: _ClassVar[int]
    LOST_TIME_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNTS_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    environment: str
    agent_id: str
    live: bool
    lease_end_time: _timestamp_pb2.Timestamp
    lost_time: _timestamp_pb2.Timestamp
    task_counts: _containers.RepeatedCompositeFieldContainer[_task_pb2.TaskCount]
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., agent_id: _Optional[str] = ..., live: _Optional[bool] = ..., lease_end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lost_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., task_counts: _Optional[_Iterable[_Union[_task_pb2.TaskCount, _Mapping]]] = ...) -> None: ...

class ListOpenWatchesRequest(_message.Message):
    __slots__ = ("tenant", "environment", "page_size", "page_token")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    environment: str
    page_size: int
    page_token: str
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListOpenWatchesResponse(_message.Message):
    __slots__ = ("watches", "next_page_token")
    WATCHES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    watches: _containers.RepeatedCompositeFieldContainer[OpenWatch]
    next_page_token: str
    def __init__(self, watches: _Optional[_Iterable[_Union[OpenWatch, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class OpenWatch(_message.Message):
    __slots__ = ("tenant", "environment", "key_id", "method", "filter", "task_id", "messages", "open_time", "blocked_since")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    OPEN_TIME_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_SINCE_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    environment: str
    key_id: str
    method: str
    filter: _task_pb2.TaskFilter
    task_id: str
    messages: int
    open_time: _timestamp_pb2.Timestamp
    blocked_since: _timestamp_pb2.Timestamp
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., key_id: _Optional[str] = ..., method: _Optional[str] = ..., filter: _Optional[_Union[_task_pb2.TaskFilter, _Mapping]] = ..., task_id: _Optional[str] = ..., messages: _Optional[int] = ..., open_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., blocked_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
