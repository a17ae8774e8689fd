import datetime

from countermand.v1 import task_pb2 as _task_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateTaskRequest(_message.Message):
    r"""Describes one new task. Ids of tasks, groups, cancellations and requests are
    UUIDs; those of checkouts, carts, orders and agents are 1 to 128 of
    `A-Z a-z 0-9 . _ : -`.
    """
    __slots__ = ("task_id", "group_id", "checkout_id", "order_id", "merchant", "labels", "expire_time")
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
    LABELS_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    r"""The task's UUID, of any version but nil; one is made if absent."""
    group_id: str
    r"""The group to join.

    In CreateGroup, CreateCheckout and CreateOrder the tasks are under what that
    request creates and names: this and the next two fields may be absent, or
    say the same.
    """
    checkout_id: str
    r"""The checkout to join, with its group if it has one: a group_id that is not
    the checkout's is INVALID_ARGUMENT. If absent, it is the group's.
    """
    order_id: str
    r"""The order that the task belongs to. If absent, it is the group's; another
    than the group's is INVALID_ARGUMENT.
    """
    merchant: str
    r"""Where the work is done: at most 128 characters."""
    labels: _containers.ScalarMap[str, str]
    r"""What to attach to the task: at most 16 entries, keys of 1 to 128
    characters and values of at most 2,048, and 32 KiB of UTF-8 together.
    """
    expire_time: _timestamp_pb2.Timestamp
    r"""When to cancel the task by itself; never if absent. The past is
    INVALID_ARGUMENT.
    """
    def __init__(self, task_id: _Optional[str] = ..., group_id: _Optional[str] = ..., checkout_id: _Optional[str] = ..., order_id: _Optional[str] = ..., merchant: _Optional[str] = ..., labels: _Optional[_Mapping[str, str]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CreateTaskResponse(_message.Message):
    r"""The answer to CreateTask."""
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    r"""The task: PENDING at version 1, or CANCELLED at version 2."""
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class CreateGroupRequest(_message.Message):
    r"""Describes one new group and its tasks: at most 4 MiB. Ids of tasks, groups,
    cancellations and requests are UUIDs; those of checkouts, carts, orders and
    agents are 1 to 128 of `A-Z a-z 0-9 . _ : -`.
    """
    __slots__ = ("group_id", "checkout_id", "order_id", "closed", "tasks")
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    r"""The group's UUID, of any version but nil; one is made if absent."""
    checkout_id: str
    r"""The checkout whose group this becomes; none if absent."""
    order_id: str
    r"""The order that the group belongs to, with its tasks; none if absent."""
    closed: bool
    r"""Whether no task may join later. A watch of the group then ends when its
    tasks have ended.
    """
    tasks: _containers.RepeatedCompositeFieldContainer[CreateTaskRequest]
    r"""The tasks: at most 10,000."""
    def __init__(self, group_id: _Optional[str] = ..., checkout_id: _Optional[str] = ..., order_id: _Optional[str] = ..., closed: _Optional[bool] = ..., tasks: _Optional[_Iterable[_Union[CreateTaskRequest, _Mapping]]] = ...) -> None: ...

class CreateGroupResponse(_message.Message):
    r"""The answer to CreateGroup."""
    __slots__ = ("group", "tasks", "tasks_left_out")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    TASKS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    group: _task_pb2.Group
    r"""The group."""
    tasks: _containers.RepeatedCompositeFieldContainer[_task_pb2.Task]
    r"""Its first tasks, in the order of the request: at most 1,000, and 3 MiB of
    them.
    """
    tasks_left_out: int
    r"""How many tasks of the request are not in `tasks`: ListTasks has them."""
    def __init__(self, group: _Optional[_Union[_task_pb2.Group, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[_task_pb2.Task, _Mapping]]] = ..., tasks_left_out: _Optional[int] = ...) -> None: ...

class GetTaskRequest(_message.Message):
    r"""Names one task."""
    __slots__ = ("task_id",)
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    r"""The task's UUID, in any case."""
    def __init__(self, task_id: _Optional[str] = ...) -> None: ...

class GetTaskResponse(_message.Message):
    r"""The answer to GetTask."""
    __slots__ = ("task",)
    TASK_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    r"""The task as it is now."""
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ...) -> None: ...

class GetGroupRequest(_message.Message):
    r"""Names one group."""
    __slots__ = ("group_id",)
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    group_id: str
    r"""The group's UUID, in any case."""
    def __init__(self, group_id: _Optional[str] = ...) -> None: ...

class GetGroupResponse(_message.Message):
    r"""The answer to GetGroup."""
    __slots__ = ("group",)
    GROUP_FIELD_NUMBER: _ClassVar[int]
    group: _task_pb2.Group
    r"""The group as it is now."""
    def __init__(self, group: _Optional[_Union[_task_pb2.Group, _Mapping]] = ...) -> None: ...

class ListTasksRequest(_message.Message):
    r"""Chooses tasks."""
    __slots__ = ("filter", "states", "page_size", "page_token", "refund_state", "merchant", "label", "deadline_before", "order_by")
    FILTER_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    REFUND_STATE_FIELD_NUMBER: _ClassVar[int]
    MERCHANT_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_BEFORE_FIELD_NUMBER: _ClassVar[int]
    ORDER_BY_FIELD_NUMBER: _ClassVar[int]
    filter: _task_pb2.TaskFilter
    r"""Which tasks. If absent, all of the caller's."""
    states: _containers.RepeatedScalarFieldContainer[_task_pb2.TaskState]
    r"""Only tasks in one of these states; none means any. An unknown or
    unspecified state is INVALID_ARGUMENT. At most 100.
    """
    page_size: int
    r"""How many to answer at most: 50 if 0; over 1000 means 1000; negative is
    INVALID_ARGUMENT. A page may hold fewer and still not be the last.
    """
    page_token: str
    r"""The `next_page_token` of the page before, with all else the same.
    At most 128 characters.
    """
    refund_state: _task_pb2.RefundState
    r"""Only tasks with this state of their refund: with REQUIRED, all that money may
    be owed of. Unspecified means any; an unknown one is INVALID_ARGUMENT.
    """
    merchant: str
    r"""Only tasks with exactly this merchant: at most 128 characters. Empty means
    any.
    """
    label: Label
    r"""Only tasks that have this label, with exactly this key and value."""
    deadline_before: _timestamp_pb2.Timestamp
    r"""Only CANCELLING tasks whose deadline is before this, nearest deadline first."""
    order_by: str
    r"""Empty for newest first, or `deadline_time`: then only CANCELLING tasks are
    listed, nearest deadline first. Anything else is INVALID_ARGUMENT. At most
    128 characters.
    """
    def __init__(self, filter: _Optional[_Union[_task_pb2.TaskFilter, _Mapping]] = ..., states: _Optional[_Iterable[_Union[_task_pb2.TaskState, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., refund_state: _Optional[_Union[_task_pb2.RefundState, str]] = ..., merchant: _Optional[str] = ..., label: _Optional[_Union[Label, _Mapping]] = ..., deadline_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., order_by: _Optional[str] = ...) -> None: ...

class Label(_message.Message):
    r"""One label of a task."""
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    r"""Its key: 1 to 128 characters, so at most 128 characters."""
    value: str
    r"""Its value: at most 2,048 characters."""
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class ListTasksResponse(_message.Message):
    r"""One page of tasks."""
    __slots__ = ("tasks", "next_page_token")
    TASKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tasks: _containers.RepeatedCompositeFieldContainer[_task_pb2.Task]
    r"""The tasks, newest first, or nearest deadline first if that was asked for. At most 1,000."""
    next_page_token: str
    r"""Passed as `page_token` it gives the next page; empty on the last one. At
    most 128 characters.
    """
    def __init__(self, tasks: _Optional[_Iterable[_Union[_task_pb2.Task, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class SettleRefundRequest(_message.Message):
    r"""Says what became of a refund."""
    __slots__ = ("task_id", "outcome", "amount", "currency", "note", "request_id")
    TASK_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    task_id: str
    r"""The task's UUID, in any case."""
    outcome: _task_pb2.RefundState
    r"""REFUNDED or NOT_OWED."""
    amount: int
    r"""How much, in minor units of the currency; not negative. May be absent."""
    currency: str
    r"""The currency of the amount, in any case: at most 128 characters. It is
    answered as it is given, and may be absent.
    """
    note: str
    r"""What to remember of it: at most 500 characters."""
    request_id: str
    r"""A UUID of the caller's choice that makes a retry safe. It is unique per
    tenant and environment over all settlements and cancels, so that a rotated
    key can retry.
    """
    def __init__(self, task_id: _Optional[str] = ..., outcome: _Optional[_Union[_task_pb2.RefundState, str]] = ..., amount: _Optional[int] = ..., currency: _Optional[str] = ..., note: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...

class SettleRefundResponse(_message.Message):
    r"""The answer to SettleRefund."""
    __slots__ = ("task", "replayed")
    TASK_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    task: _task_pb2.Task
    r"""The task as it is now."""
    replayed: bool
    r"""Whether this answers a repeat of a request that was accepted before."""
    def __init__(self, task: _Optional[_Union[_task_pb2.Task, _Mapping]] = ..., replayed: _Optional[bool] = ...) -> None: ...
