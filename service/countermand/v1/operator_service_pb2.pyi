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
    r"""A task, and whose it is."""
    __slots__ = ("tenant", "environment", "task")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    r"""Whose the task is. It is 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    environment: str
    r"""`sandbox` or `production`."""
    task: _task_pb2.Task
    r"""The task, without its tenant's free text."""
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class OperatorServiceListTasksRequest(_message.Message):
    r"""Chooses tasks."""
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
    r"""Only tasks of this tenant: 1 to 128 of `A-Z a-z 0-9 . _ : -`. Empty means
    all.
    """
    environment: str
    r"""Only tasks of this environment: `sandbox` or `production`. Empty means both."""
    filter: _task_pb2.TaskFilter
    r"""Which tasks. An unknown group, checkout or order has none."""
    states: _containers.RepeatedScalarFieldContainer[_task_pb2.TaskState]
    r"""Only tasks in one of these states; none means any. An unknown or
    unspecified state is INVALID_ARGUMENT. At most 100.
    """
    page_size: int
    r"""How many to answer at most: 50 if 0; over 1000 means 1000; negative is
    INVALID_ARGUMENT. A page may hold fewer, or none, and still not be the last.
    """
    page_token: str
    r"""The `next_page_token` of the page before, with all else the same.
    At most 128 characters.
    """
    refund_state: _task_pb2.RefundState
    r"""Only tasks with this state of their refund. Unspecified means any; an
    unknown one is INVALID_ARGUMENT.
    """
    merchant: str
    r"""Only tasks with exactly this merchant: at most 128 characters. Empty means
    any.
    """
    label: _task_service_pb2.Label
    r"""Only tasks that have this label, with exactly this key and value."""
    deadline_before: _timestamp_pb2.Timestamp
    r"""Only CANCELLING tasks whose deadline is before this, nearest deadline first."""
    order_by: str
    r"""Empty for newest first in each tenant, or `deadline_time`: then only
    CANCELLING tasks are listed, nearest deadline first of all tenants together.
    Anything else is INVALID_ARGUMENT. At most 128 characters.
    """
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., filter: _Optional[_Union[_task_pb2.TaskFilter, _Mapping]] = ..., states: _Optional[_Iterable[_Union[_task_pb2.TaskState, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., refund_state: _Optional[_Union[_task_pb2.RefundState, str]] = ..., merchant: _Optional[str] = ..., label: _Optional[_Union[_task_service_pb2.Label, _Mapping]] = ..., deadline_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., order_by: _Optional[str] = ...) -> None: ...

class OperatorServiceListTasksResponse(_message.Message):
    r"""One page of tasks."""
    __slots__ = ("tasks", "next_page_token")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[OperatorTask]
    r"""The tasks. At most 1,000."""
    next_page_token: str
    r"""Passed as `page_token` it gives the next page; empty on the last one. At
    most 128 characters.
    """
    def __init__(self, tasks: _Optional[_Iterable[_Union[OperatorTask, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class OperatorServiceWatchTasksRequest(_message.Message):
    r"""Asks to follow the tasks of every tenant."""
    __slots__ = ("tenant", "environment", "heartbeat_interval")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    r"""Only tasks of this tenant: 1 to 128 of `A-Z a-z 0-9 . _ : -`. Empty means
    all, also those that are new.
    """
    environment: str
    r"""Only tasks of this environment: `sandbox` or `production`. Empty means both."""
    heartbeat_interval: _duration_pb2.Duration
    r"""A HEARTBEAT comes after each such time without another message: 30 s if
    absent, 1 s to 10 min.
    """
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class OperatorServiceWatchTasksResponse(_message.Message):
    r"""One message of WatchTasks."""
    __slots__ = ("type", "task")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    type: _cancellation_service_pb2.WatchType
    r"""What this message is."""
    task: OperatorTask
    r"""The task of a SNAPSHOT or CHANGE; unset in a SYNCED or HEARTBEAT."""
    def __init__(self, type: _Optional[_Union[_cancellation_service_pb2.WatchType, str]] = ..., task: _Optional[_Union[OperatorTask, _Mapping]] = ...) -> None: ...

class GetServerStatusRequest(_message.Message):
    r"""Asks how the server stands."""
    __slots__ = ()
    def __init__(self) -> None: ...

class GetServerStatusResponse(_message.Message):
    r"""The answer to GetServerStatus."""
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: ServerStatus
    r"""How the server stands."""
    def __init__(self, status: _Optional[_Union[ServerStatus, _Mapping]] = ...) -> None: ...

class ServerStatus(_message.Message):
    r"""How one server stands."""
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
    r"""The version of the program. At most 128 characters."""
    start_time: _timestamp_pb2.Timestamp
    r"""When this server started."""
    schema: int
    r"""The number of the store's schema."""
    store_kind: str
    r"""What kind of store it is, such as `sqlite`. At most 128 characters."""
    store_bytes: int
    r"""How many bytes the store has, without its write-ahead log."""
    wal_bytes: int
    r"""How many bytes the write-ahead log has; 0 on PostgreSQL, which keeps its own."""
    task_counts: _containers.RepeatedCompositeFieldContainer[_task_pb2.TaskCount]
    r"""How many tasks of all tenants stand in each state; states without a task are
    left out. They are counted when somebody asks, and in a large store not
    each time.
    """
    task_count_time: _timestamp_pb2.Timestamp
    r"""When the tasks were counted; unset while the first count is under way."""
    live_agents: int
    r"""How many agents have a lease."""
    open_watches: int
    r"""How many watches are open at this server."""
    max_open_watches: int
    r"""How many may be open at once."""
    overdue_count: int
    r"""How many CANCELLING tasks are past their deadline, and not ended yet."""
    oldest_overdue_time: _timestamp_pb2.Timestamp
    r"""The earliest deadline of these; unset if there is none."""
    last_commit_duration: _duration_pb2.Duration
    r"""How long the last commit took, from its beginning until it was on disk; unset
    before the first.
    """
    last_commit_time: _timestamp_pb2.Timestamp
    r"""When that was."""
    free_disk_bytes: int
    r"""How many bytes the disk of the store has left; 0 on PostgreSQL, whose disk is not looked at."""
    refusals: _containers.RepeatedCompositeFieldContainer[RefusalCount]
    r"""What was refused in the last minute, most often first. At most 100."""
    replica_id: str
    r"""Which server this is: a UUID that is made at each start."""
    def __init__(self, version: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., schema: _Optional[int] = ..., store_kind: _Optional[str] = ..., store_bytes: _Optional[int] = ..., wal_bytes: _Optional[int] = ..., task_counts: _Optional[_Iterable[_Union[_task_pb2.TaskCount, _Mapping]]] = ..., task_count_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., live_agents: _Optional[int] = ..., open_watches: _Optional[int] = ..., max_open_watches: _Optional[int] = ..., overdue_count: _Optional[int] = ..., oldest_overdue_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_commit_duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., last_commit_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., free_disk_bytes: _Optional[int] = ..., refusals: _Optional[_Iterable[_Union[RefusalCount, _Mapping]]] = ..., replica_id: _Optional[str] = ...) -> None: ...

class RefusalCount(_message.Message):
    r"""How often a key was refused for one reason."""
    __slots__ = ("key_id", "reason", "count")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    r"""Whose calls they were; empty for callers without a right key, and for keys
    that are too many to be told apart. It is 1 to 128 of
    `A-Z a-z 0-9 . _ : -`.
    """
    reason: str
    r"""The reason, such as `RATE_LIMITED`. At most 128 characters."""
    count: int
    r"""How often."""
    def __init__(self, key_id: _Optional[str] = ..., reason: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...

class ListAgentsRequest(_message.Message):
    r"""Chooses agents."""
    __slots__ = ("tenant", "environment", "page_size", "page_token")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    r"""Only agents of this tenant: 1 to 128 of `A-Z a-z 0-9 . _ : -`. Empty means
    all.
    """
    environment: str
    r"""Only agents of this environment: `sandbox` or `production`. Empty means both."""
    page_size: int
    r"""How many to answer at most: 50 if 0; over 1000 means 1000; negative is
    INVALID_ARGUMENT. A page may hold fewer, or none, and still not be the last.
    """
    page_token: str
    r"""The `next_page_token` of the page before, with all else the same. At most 256
    characters.
    """
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListAgentsResponse(_message.Message):
    r"""One page of agents."""
    __slots__ = ("agents", "next_page_token")
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    agents: _containers.RepeatedCompositeFieldContainer[Agent]
    r"""The agents. At most 1,000."""
    next_page_token: str
    r"""Passed as `page_token` it gives the next page; empty on the last one. At
    most 256 characters.
    """
    def __init__(self, agents: _Optional[_Iterable[_Union[Agent, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Agent(_message.Message):
    r"""A worker, by the one lease that it has for all its tasks."""
    __slots__ = ("tenant", "environment", "agent_id", "live", "lease_end_time", "lost_time", "task_counts")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    LEASE_END_TIME_FIELD_NUMBER: _ClassVar[int]
    LOST_TIME_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNTS_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    r"""Whose the agent is. It is 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    environment: str
    r"""`sandbox` or `production`."""
    agent_id: str
    r"""The agent. It is 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    live: bool
    r"""Whether it has a lease that has not run out."""
    lease_end_time: _timestamp_pb2.Timestamp
    r"""When the lease runs out, or ran out; unset for an agent that was found lost."""
    lost_time: _timestamp_pb2.Timestamp
    r"""When it was found lost; unset while it was not."""
    task_counts: _containers.RepeatedCompositeFieldContainer[_task_pb2.TaskCount]
    r"""How many of its tasks that have not ended stand in each state, counted up to
    10,000; states without a task are left out.
    """
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., agent_id: _Optional[str] = ..., live: _Optional[bool] = ..., lease_end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., lost_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., task_counts: _Optional[_Iterable[_Union[_task_pb2.TaskCount, _Mapping]]] = ...) -> None: ...

class ListOpenWatchesRequest(_message.Message):
    r"""Chooses open watches."""
    __slots__ = ("tenant", "environment", "page_size", "page_token")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    r"""Only watches of keys of this tenant: 1 to 128 of `A-Z a-z 0-9 . _ : -`. Empty
    means all.
    """
    environment: str
    r"""Only watches of keys of this environment: `sandbox` or `production`. Empty
    means both.
    """
    page_size: int
    r"""How many to answer at most: 50 if 0; over 1000 means 1000; negative is
    INVALID_ARGUMENT.
    """
    page_token: str
    r"""The `next_page_token` of the page before, with all else the same. At most 128
    characters.
    """
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListOpenWatchesResponse(_message.Message):
    r"""One page of open watches."""
    __slots__ = ("watches", "next_page_token")
    WATCHES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    watches: _containers.RepeatedCompositeFieldContainer[OpenWatch]
    r"""The watches. At most 1,000."""
    next_page_token: str
    r"""Passed as `page_token` it gives the next page; empty on the last one. At
    most 128 characters.
    """
    def __init__(self, watches: _Optional[_Iterable[_Union[OpenWatch, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class OpenWatch(_message.Message):
    r"""One open watch."""
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
    r"""Whose key opened it. It is 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    environment: str
    r"""`sandbox` or `production`."""
    key_id: str
    r"""The key that opened it. It is 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    method: str
    r"""What was called, such as `countermand.v1.CancellationService/WatchTasks`. At
    most 128 characters.
    """
    filter: _task_pb2.TaskFilter
    r"""What a watch of many tasks, of a checkout or of an order was asked for."""
    task_id: str
    r"""The task of a WatchTask: a UUID."""
    messages: int
    r"""How many messages it was sent."""
    open_time: _timestamp_pb2.Timestamp
    r"""When it was opened."""
    blocked_since: _timestamp_pb2.Timestamp
    r"""Since when its client has taken nothing of a message that is on its way;
    unset if it takes what it is sent within a second.
    """
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., key_id: _Optional[str] = ..., method: _Optional[str] = ..., filter: _Optional[_Union[_task_pb2.TaskFilter, _Mapping]] = ..., task_id: _Optional[str] = ..., messages: _Optional[int] = ..., open_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., blocked_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
