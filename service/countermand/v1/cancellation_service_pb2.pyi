import datetime

from countermand.v1 import cancellation_pb2 as _cancellation_pb2
from countermand.v1 import checkout_pb2 as _checkout_pb2
from countermand.v1 import order_pb2 as _order_pb2
from countermand.v1 import task_pb2 as _task_pb2
from google.api import annotations_pb2 as _annotations_pb2
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
    r"""What a message of a watch is."""
    __slots__ = ()
    WATCH_TYPE_UNSPECIFIED: _ClassVar[WatchType]
    r"""Never sent."""
    WATCH_TYPE_SNAPSHOT: _ClassVar[WatchType]
    r"""A task, checkout or order as it stood when the watch began; or a task as it
    stood when it came under the watched order with its checkout.
    """
    WATCH_TYPE_CHANGE: _ClassVar[WatchType]
    r"""One new version of a task, checkout or order."""
    WATCH_TYPE_HEARTBEAT: _ClassVar[WatchType]
    r"""Nothing has changed; the stream is alive."""
    WATCH_TYPE_SYNCED: _ClassVar[WatchType]
    r"""All SNAPSHOTs were sent. Only in WatchTasks."""

class SummaryKey(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""By what cancellations, or tasks, are counted."""
    __slots__ = ()
    SUMMARY_KEY_UNSPECIFIED: _ClassVar[SummaryKey]
    r"""Refused with INVALID_ARGUMENT."""
    SUMMARY_KEY_REASON: _ClassVar[SummaryKey]
    r"""By the reason that the caller gave."""
    SUMMARY_KEY_STATE: _ClassVar[SummaryKey]
    r"""By the state of the cancellation."""
    SUMMARY_KEY_PROOF: _ClassVar[SummaryKey]
    r"""By the proof of each task that was stopped."""
    SUMMARY_KEY_REFUND: _ClassVar[SummaryKey]
    r"""Tasks that ended, by the state of their refund."""
WATCH_TYPE_UNSPECIFIED: WatchType
r"""Never sent."""
WATCH_TYPE_SNAPSHOT: WatchType
r"""A task, checkout or order as it stood when the watch began; or a task as it
stood when it came under the watched order with its checkout.
"""
WATCH_TYPE_CHANGE: WatchType
r"""One new version of a task, checkout or order."""
WATCH_TYPE_HEARTBEAT: WatchType
r"""Nothing has changed; the stream is alive."""
WATCH_TYPE_SYNCED: WatchType
r"""All SNAPSHOTs were sent. Only in WatchTasks."""
SUMMARY_KEY_UNSPECIFIED: SummaryKey
r"""Refused with INVALID_ARGUMENT."""
SUMMARY_KEY_REASON: SummaryKey
r"""By the reason that the caller gave."""
SUMMARY_KEY_STATE: SummaryKey
r"""By the state of the cancellation."""
SUMMARY_KEY_PROOF: SummaryKey
r"""By the proof of each task that was stopped."""
SUMMARY_KEY_REFUND: SummaryKey
r"""Tasks that ended, by the state of their refund."""

class CancelTaskRequest(_message.Message):
    r"""Cancels one task."""
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
    r"""The task to cancel: a UUID in any case."""
    allow_missing: bool
    r"""Accepts the cancel also if there is no such task yet, since a cancel may
    arrive before the call that creates its task.

    The answer then has no task, and a cancellation that is IN_PROGRESS without
    results: it waits for the task for 24 h; time in which no server ran, or that
    its wall clock leapt over, does not count. When the task is created in that
    time, alone or with a group, checkout or order, it is CANCELLED in the same
    transaction, with proof NEVER_STARTED, and names this cancellation. A
    creation that is refused leaves the cancel waiting. If the task does not come
    in time, the cancellation ends TOO_LATE, and a later task is none of its.
    Another cancel with `allow_missing` joins the one that waits: OK, with that
    cancellation, whose reason and caller stay.

    If the task exists, this changes nothing. With `expected_version` it is
    INVALID_ARGUMENT.
    """
    reason: str
    r"""Why: open text of at most 128 characters."""
    message: str
    r"""What people should read: at most 500 characters."""
    request_id: str
    r"""A UUID of the caller's choice that makes a retry safe. It is unique per
    tenant and environment over all cancels and settlements of refunds, so that a
    rotated key can retry.
    The same id with the same method and fields (absent equals default) answers
    `replayed` with that cancellation and target as they are now, also after
    the task ended and after a restart. The same id with another request is
    ALREADY_EXISTS `REQUEST_ID_CONFLICT`.
    """
    grace_period: _duration_pb2.Duration
    r"""How long the agent may take to wind down before the task is ended by force:
    30 s if absent, 0 to 1 h. With 0 the answer is CANCELLING with a deadline of
    now, and the task is CANCELLED a moment later.
    """
    expected_version: int
    r"""Cancels only if the task is at this version; else ABORTED
    `VERSION_MISMATCH`, and nothing changes.
    """
    validate_only: bool
    r"""Runs every check and answers the target as it would be, with an empty
    cancellation_id; changes and stores nothing, and ignores `request_id`.
    """
    on_behalf_of: str
    r"""Whom the caller acts for: at most 256 characters, recorded as said."""
    def __init__(self, task_id: _Optional[str] = ..., allow_missing: _Optional[bool] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., request_id: _Optional[str] = ..., grace_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., expected_version: _Optional[int] = ..., validate_only: _Optional[bool] = ..., on_behalf_of: _Optional[str] = ...) -> None: ...

class CancelTaskResponse(_message.Message):
    r"""The answer to CancelTask."""
    __slots__ = ("task", "cancellation", "replayed", "joined")
    TASK_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    r"""The task as it is after the cancel; unset if there is no such task yet."""
    cancellation: _cancellation_pb2.Cancellation
    r"""The first cancellation that covers the task, with the result of this task
    alone; without one if there is no such task yet.
    """
    replayed: bool
    r"""Whether this answers a repeat of a request that was accepted before."""
    joined: bool
    r"""Whether the cancellation is that of another request, which was accepted
    before this one. A repeat of a request that joined is `replayed` and `joined`.
    """
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., cancellation: _Optional[_Union[_cancellation_pb2.Cancellation, _Mapping]] = ..., replayed: _Optional[bool] = ..., joined: _Optional[bool] = ...) -> None: ...

class CancelGroupRequest(_message.Message):
    r"""Cancels all tasks of a group."""
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
    r"""The group to cancel: a UUID in any case."""
    reason: str
    r"""Why: open text of at most 128 characters."""
    message: str
    r"""What people should read: at most 500 characters."""
    request_id: str
    r"""A UUID that makes a retry safe, exactly as for CancelTask."""
    grace_period: _duration_pb2.Duration
    r"""How long the agents may take to wind down before their tasks are ended by
    force: 30 s if absent, 0 to 1 h.
    """
    expected_version: int
    r"""Cancels only if the group is at this version; else ABORTED
    `VERSION_MISMATCH`, and nothing changes.
    """
    validate_only: bool
    r"""Runs every check and answers the target as it would be, with an empty
    cancellation_id; changes and stores nothing, and ignores `request_id`.
    """
    on_behalf_of: str
    r"""Whom the caller acts for: at most 256 characters, recorded as said."""
    def __init__(self, group_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., request_id: _Optional[str] = ..., grace_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., expected_version: _Optional[int] = ..., validate_only: _Optional[bool] = ..., on_behalf_of: _Optional[str] = ...) -> None: ...

class CancelGroupResponse(_message.Message):
    r"""The answer to CancelGroup."""
    __slots__ = ("group", "cancellation", "replayed", "joined")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    group: _task_pb2.Group
    r"""The group as it is after the cancel."""
    cancellation: _cancellation_pb2.Cancellation
    r"""The cancellation, with one result per task of the group."""
    replayed: bool
    r"""Whether this answers a repeat of a request that was accepted before."""
    joined: bool
    r"""Whether the cancellation is that of another request, which was accepted
    before this one. A repeat of a request that joined is `replayed` and `joined`.
    """
    def __init__(self, group: _Optional[_Union[_task_pb2.Group, _Mapping]] = ..., cancellation: _Optional[_Union[_cancellation_pb2.Cancellation, _Mapping]] = ..., replayed: _Optional[bool] = ..., joined: _Optional[bool] = ...) -> None: ...

class CancelCheckoutRequest(_message.Message):
    r"""Cancels a checkout. Ids of tasks, groups, cancellations and requests are
    UUIDs; those of checkouts, carts, orders and agents are 1 to 128 of
    `A-Z a-z 0-9 . _ : -`.
    """
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
    r"""The checkout itself."""
    cart_id: str
    r"""The cart that the checkout locks."""
    reason: str
    r"""Why: open text of at most 128 characters."""
    message: str
    r"""What people should read, also in the checkout's messages: at most 500
    characters.
    """
    request_id: str
    r"""A UUID that makes a retry safe, exactly as for CancelTask. The same checkout
    named by its id and by its cart are two different requests.
    """
    grace_period: _duration_pb2.Duration
    r"""How long the agents may take to wind down before their tasks are ended by
    force: 30 s if absent, 0 to 1 h.
    """
    expected_version: int
    r"""Cancels only if the checkout is at this version, also if it is named by its
    cart; else ABORTED `VERSION_MISMATCH`, and nothing changes.
    """
    validate_only: bool
    r"""Runs every check and answers the target as it would be, with an empty
    cancellation_id; changes and stores nothing, and ignores `request_id`.
    """
    on_behalf_of: str
    r"""Whom the caller acts for: at most 256 characters, recorded as said."""
    def __init__(self, checkout_id: _Optional[str] = ..., cart_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., request_id: _Optional[str] = ..., grace_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., expected_version: _Optional[int] = ..., validate_only: _Optional[bool] = ..., on_behalf_of: _Optional[str] = ...) -> None: ...

class CancelCheckoutResponse(_message.Message):
    r"""The answer to CancelCheckout."""
    __slots__ = ("checkout", "cancellation", "replayed", "joined")
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    r"""The checkout as it is after the cancel."""
    cancellation: _cancellation_pb2.Cancellation
    r"""The cancellation, with one result per task of the checkout."""
    replayed: bool
    r"""Whether this answers a repeat of a request that was accepted before."""
    joined: bool
    r"""Whether the cancellation is that of another request, which was accepted
    before this one. A repeat of a request that joined is `replayed` and `joined`.
    """
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ..., cancellation: _Optional[_Union[_cancellation_pb2.Cancellation, _Mapping]] = ..., replayed: _Optional[bool] = ..., joined: _Optional[bool] = ...) -> None: ...

class CancelOrderRequest(_message.Message):
    r"""Cancels an order. Ids of tasks, groups, cancellations and requests are
    UUIDs; those of checkouts, carts, orders and agents are 1 to 128 of
    `A-Z a-z 0-9 . _ : -`.
    """
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
    r"""The order to cancel."""
    reason: str
    r"""Why: open text of at most 128 characters. It becomes the order's
    `cancel_reason`.
    """
    message: str
    r"""What people should read: at most 500 characters."""
    request_id: str
    r"""A UUID that makes a retry safe, exactly as for CancelTask."""
    grace_period: _duration_pb2.Duration
    r"""How long the agents may take to wind down before their tasks are ended by
    force: 30 s if absent, 0 to 1 h.
    """
    expected_version: int
    r"""Cancels only if the order is at this version; else ABORTED
    `VERSION_MISMATCH`, and nothing changes.
    """
    validate_only: bool
    r"""Runs every check and answers the target as it would be, with an empty
    cancellation_id; changes and stores nothing, and ignores `request_id`.
    """
    on_behalf_of: str
    r"""Whom the caller acts for: at most 256 characters, recorded as said."""
    def __init__(self, order_id: _Optional[str] = ..., reason: _Optional[str] = ..., message: _Optional[str] = ..., request_id: _Optional[str] = ..., grace_period: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., expected_version: _Optional[int] = ..., validate_only: _Optional[bool] = ..., on_behalf_of: _Optional[str] = ...) -> None: ...

class CancelOrderResponse(_message.Message):
    r"""The answer to CancelOrder."""
    __slots__ = ("order", "cancellation", "replayed", "joined")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    order: _order_pb2.Order
    r"""The order as it is after the cancel."""
    cancellation: _cancellation_pb2.Cancellation
    r"""The cancellation, with one result per task of the order and of its
    checkouts.
    """
    replayed: bool
    r"""Whether this answers a repeat of a request that was accepted before."""
    joined: bool
    r"""Whether the cancellation is that of another request, which was accepted
    before this one. A repeat of a request that joined is `replayed` and `joined`.
    """
    def __init__(self, order: _Optional[_Union[_order_pb2.Order, _Mapping]] = ..., cancellation: _Optional[_Union[_cancellation_pb2.Cancellation, _Mapping]] = ..., replayed: _Optional[bool] = ..., joined: _Optional[bool] = ...) -> None: ...

class WatchTaskRequest(_message.Message):
    r"""Asks to follow one task."""
    __slots__ = ("task_id", "after_version", "heartbeat_interval")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    r"""The task to follow: a UUID in any case."""
    after_version: int
    r"""The last version that the client has seen. If absent, the first message is
    a SNAPSHOT of the present state. With N it is the CHANGE to N+1, or, if N is
    the present version, a HEARTBEAT with the present task. 0 replays from
    version 1. Negative is INVALID_ARGUMENT.
    """
    heartbeat_interval: _duration_pb2.Duration
    r"""A HEARTBEAT with the present task comes after each such time without another
    message, also while versions are read that the client has missed: 30 s if
    absent, 1 s to 10 min.
    """
    def __init__(self, task_id: _Optional[str] = ..., after_version: _Optional[int] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchTaskResponse(_message.Message):
    r"""One message of WatchTask."""
    __slots__ = ("type", "task", "last")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    type: WatchType
    r"""What this message is."""
    task: _task_pb2.Task
    r"""The task: of a SNAPSHOT or HEARTBEAT as it is now, of a CHANGE as that
    version was.
    """
    last: bool
    r"""Whether the task has ended and this is its newest version. The stream ends
    with OK after this message.
    """
    def __init__(self, type: _Optional[_Union[WatchType, str]] = ..., task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., last: _Optional[bool] = ...) -> None: ...

class WatchTasksRequest(_message.Message):
    r"""Asks to follow many tasks."""
    __slots__ = ("filter", "resume_token", "heartbeat_interval")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    filter: _task_pb2.TaskFilter
    r"""Which tasks to follow. If absent, all of the caller's."""
    resume_token: str
    r"""The token of the last message that the client has seen, from a watch with
    the same filter. The stream goes on with the message after it. At most 128
    characters.
    """
    heartbeat_interval: _duration_pb2.Duration
    r"""A HEARTBEAT with a resume token of that moment comes after each such time
    without another message, whatever happens that the filter hides: 30 s if
    absent, 1 s to 10 min.
    """
    def __init__(self, filter: _Optional[_Union[_task_pb2.TaskFilter, _Mapping]] = ..., resume_token: _Optional[str] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchTasksResponse(_message.Message):
    r"""One message of WatchTasks."""
    __slots__ = ("type", "task", "last", "resume_token")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    type: WatchType
    r"""What this message is."""
    task: _task_pb2.Task
    r"""The task of a SNAPSHOT or CHANGE; unset in a SYNCED or HEARTBEAT."""
    last: bool
    r"""Whether nothing more can come. The stream ends with OK after this message."""
    resume_token: str
    r"""The place just after this message, also inside one commit of many tasks.
    It is opaque, and bound to tenant, environment and filter. At most 128
    characters.
    """
    def __init__(self, type: _Optional[_Union[WatchType, str]] = ..., task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., last: _Optional[bool] = ..., resume_token: _Optional[str] = ...) -> None: ...

class WatchCheckoutRequest(_message.Message):
    r"""Asks to follow one checkout."""
    __slots__ = ("checkout_id", "after_version", "heartbeat_interval")
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    checkout_id: str
    r"""The checkout to follow: 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    after_version: int
    r"""The last version that the client has seen; as for WatchTask."""
    heartbeat_interval: _duration_pb2.Duration
    r"""A HEARTBEAT with the present checkout comes after each such time without another
    message: 30 s if absent, 1 s to 10 min.
    """
    def __init__(self, checkout_id: _Optional[str] = ..., after_version: _Optional[int] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchCheckoutResponse(_message.Message):
    r"""One message of WatchCheckout."""
    __slots__ = ("type", "checkout", "last")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    type: WatchType
    r"""What this message is."""
    checkout: _checkout_pb2.Checkout
    r"""The checkout: of a SNAPSHOT or HEARTBEAT as it is now; of a CHANGE with the
    state, cancellation and times of that version, and all else as it is now.
    """
    last: bool
    r"""Whether the checkout has ended and this is its newest version. The stream ends
    with OK after this message.
    """
    def __init__(self, type: _Optional[_Union[WatchType, str]] = ..., checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ..., last: _Optional[bool] = ...) -> None: ...

class WatchOrderRequest(_message.Message):
    r"""Asks to follow one order."""
    __slots__ = ("order_id", "after_version", "heartbeat_interval")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    r"""The order to follow: 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    after_version: int
    r"""The last version that the client has seen; as for WatchTask."""
    heartbeat_interval: _duration_pb2.Duration
    r"""A HEARTBEAT with the present order comes after each such time without another
    message: 30 s if absent, 1 s to 10 min.
    """
    def __init__(self, order_id: _Optional[str] = ..., after_version: _Optional[int] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class WatchOrderResponse(_message.Message):
    r"""One message of WatchOrder."""
    __slots__ = ("type", "order", "last")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    type: WatchType
    r"""What this message is."""
    order: _order_pb2.Order
    r"""The order: of a SNAPSHOT or HEARTBEAT as it is now; of a CHANGE with the
    state, cancellation and times of that version, and all else as it is now.
    """
    last: bool
    r"""Whether the order has ended and this is its newest version. The stream ends
    with OK after this message.
    """
    def __init__(self, type: _Optional[_Union[WatchType, str]] = ..., order: _Optional[_Union[_order_pb2.Order, _Mapping]] = ..., last: _Optional[bool] = ...) -> None: ...

class GetCancellationRequest(_message.Message):
    r"""Names one cancellation."""
    __slots__ = ("cancellation_id",)
    CANCELLATION_ID_FIELD_NUMBER: _ClassVar[int]
    cancellation_id: str
    r"""The cancellation's UUID, in any case."""
    def __init__(self, cancellation_id: _Optional[str] = ...) -> None: ...

class GetCancellationResponse(_message.Message):
    r"""The answer to GetCancellation."""
    __slots__ = ("cancellation",)
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    cancellation: _cancellation_pb2.Cancellation
    r"""The cancellation, with its results as they are now."""
    def __init__(self, cancellation: _Optional[_Union[_cancellation_pb2.Cancellation, _Mapping]] = ...) -> None: ...

class ListCancellationsRequest(_message.Message):
    r"""Chooses cancellations. Fields that are set are ANDed. Ids of tasks, groups,
    cancellations and requests are UUIDs; those of checkouts, carts, orders and
    agents are 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    """
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
    r"""Only cancellations that cover this task: the first that was accepted for it,
    and those of its group, its checkout and its orders; or the one that waits
    for this task, if there is no such task yet. At most one of
    `task_id`, `group_id`, `checkout_id` and `order_id` may be set.
    """
    group_id: str
    r"""Only the cancellation whose target is this group."""
    checkout_id: str
    r"""Only the cancellation that cancelled this checkout, which may be that of its
    order.
    """
    order_id: str
    r"""Only the cancellation whose target is this order."""
    reason: str
    r"""Only those with exactly this reason; empty means any. At most 128
    characters.
    """
    state: _cancellation_pb2.CancellationState
    r"""Only those in this state; unspecified means any."""
    start_time: _timestamp_pb2.Timestamp
    r"""Only those accepted at this time or later."""
    end_time: _timestamp_pb2.Timestamp
    r"""Only those accepted before this time."""
    page_size: int
    r"""How many to answer at most: 50 if 0; over 1000 means 1000; negative is
    INVALID_ARGUMENT. A page may hold fewer and still not be the last.
    """
    page_token: str
    r"""The `next_page_token` of the page before, with the same filter. At most
    128 characters.
    """
    def __init__(self, task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., checkout_id: _Optional[str] = ..., order_id: _Optional[str] = ..., reason: _Optional[str] = ..., state: _Optional[_Union[_cancellation_pb2.CancellationState, str]] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCancellationsResponse(_message.Message):
    r"""One page of cancellations."""
    __slots__ = ("cancellations", "next_page_token")
    CANCELLATIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    cancellations: _containers.RepeatedCompositeFieldContainer[_cancellation_pb2.Cancellation]
    r"""The cancellations, without results, newest first. At most 1,000."""
    next_page_token: str
    r"""Passed as `page_token` it gives the next page; empty on the last one. At
    most 128 characters.
    """
    def __init__(self, cancellations: _Optional[_Iterable[_Union[_cancellation_pb2.Cancellation, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SummarizeCancellationsRequest(_message.Message):
    r"""Chooses what to count, and by what."""
    __slots__ = ("start_time", "end_time", "group_by")
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    GROUP_BY_FIELD_NUMBER: _ClassVar[int]
    start_time: _timestamp_pb2.Timestamp
    r"""Only cancellations accepted, with REFUND only tasks that ended, at this time
    or later; from the first if absent.
    """
    end_time: _timestamp_pb2.Timestamp
    r"""Only cancellations accepted, with REFUND only tasks that ended, before this
    time; to the last if absent.
    """
    group_by: SummaryKey
    r"""By what to count. Unspecified is INVALID_ARGUMENT."""
    def __init__(self, start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., group_by: _Optional[_Union[SummaryKey, str]] = ...) -> None: ...

class SummarizeCancellationsResponse(_message.Message):
    r"""The counts."""
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[SummaryRow]
    r"""One row for each key that was found, most counted first. At most 10,000,
    the most counted, and 3 MiB of them.
    """
    def __init__(self, rows: _Optional[_Iterable[_Union[SummaryRow, _Mapping]]] = ...) -> None: ...

class SummaryRow(_message.Message):
    r"""One count."""
    __slots__ = ("key", "count")
    KEY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    key: str
    r"""A reason as the callers said it, or the name of a state, proof or refund
    state without its prefix, such as `SUCCEEDED`, `FORCED` or `REQUIRED`. At
    most 128 characters.
    """
    count: int
    r"""How many."""
    def __init__(self, key: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...
