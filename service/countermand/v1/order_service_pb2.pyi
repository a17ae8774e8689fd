from countermand.v1 import order_pb2 as _order_pb2
from countermand.v1 import task_pb2 as _task_pb2
from countermand.v1 import task_service_pb2 as _task_service_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateOrderRequest(_message.Message):
    r"""Describes one new order and its tasks: at most 4 MiB."""
    __slots__ = ("order", "tasks")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    order: _order_pb2.Order
    r"""The order. Its output-only fields are ignored."""
    tasks: _containers.RepeatedCompositeFieldContainer[_task_service_pb2.CreateTaskRequest]
    r"""Its tasks: at most 10,000. A task's group_id and checkout_id must be absent."""
    def __init__(self, order: _Optional[_Union[_order_pb2.Order, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[_task_service_pb2.CreateTaskRequest, _Mapping]]] = ...) -> None: ...

class CreateOrderResponse(_message.Message):
    r"""The answer to CreateOrder."""
    __slots__ = ("order", "tasks", "tasks_left_out")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    TASKS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    order: _order_pb2.Order
    r"""The order at version 1."""
    tasks: _containers.RepeatedCompositeFieldContainer[_task_pb2.Task]
    r"""Its first tasks, in the order of the request: at most 1,000, and 3 MiB of
    them.
    """
    tasks_left_out: int
    r"""How many tasks of the request are not in `tasks`: ListTasks has them."""
    def __init__(self, order: _Optional[_Union[_order_pb2.Order, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[_task_pb2.Task, _Mapping]]] = ..., tasks_left_out: _Optional[int] = ...) -> None: ...

class GetOrderRequest(_message.Message):
    r"""Names one order."""
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    r"""The order. Its id is 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class GetOrderResponse(_message.Message):
    r"""The answer to GetOrder."""
    __slots__ = ("order",)
    ORDER_FIELD_NUMBER: _ClassVar[int]
    order: _order_pb2.Order
    r"""The order as it is now."""
    def __init__(self, order: _Optional[_Union[_order_pb2.Order, _Mapping]] = ...) -> None: ...

class UpdateOrderRequest(_message.Message):
    r"""Changes one order: at most 1 MiB."""
    __slots__ = ("order", "update_mask")
    ORDER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    order: _order_pb2.Order
    r"""The order, by its order_id, and the new values of the fields to change."""
    update_mask: _field_mask_pb2.FieldMask
    r"""The fields to change, for example `financial_status`, `config` or
    `config.product_tax_included`. A field that is named here and not set in
    `order` is cleared; repeated fields, maps and Structs are replaced as a
    whole. `*` names all fields of the snapshot. An unknown or output-only field
    is INVALID_ARGUMENT; there are at most 100 paths, each once.

    If absent, all fields change that are set in `order`, and output-only ones
    are ignored; so is a `state` other than CLOSED.
    """
    def __init__(self, order: _Optional[_Union[_order_pb2.Order, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateOrderResponse(_message.Message):
    r"""The answer to UpdateOrder."""
    __slots__ = ("order",)
    ORDER_FIELD_NUMBER: _ClassVar[int]
    order: _order_pb2.Order
    r"""The order after the change."""
    def __init__(self, order: _Optional[_Union[_order_pb2.Order, _Mapping]] = ...) -> None: ...

class ListOrdersRequest(_message.Message):
    r"""Chooses orders. Fields that are set are ANDed."""
    __slots__ = ("state", "page_size", "page_token")
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state: _order_pb2.OrderState
    r"""Only orders in this state; unspecified means any, an unknown one is
    INVALID_ARGUMENT.
    """
    page_size: int
    r"""How many to answer at most: 50 if 0; over 1000 means 1000; negative is
    INVALID_ARGUMENT. A page may hold fewer and still not be the last: it ends
    early to stay under 3 MiB.
    """
    page_token: str
    r"""The `next_page_token` of the page before, with the same filter. At most 128
    characters.
    """
    def __init__(self, state: _Optional[_Union[_order_pb2.OrderState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListOrdersResponse(_message.Message):
    r"""One page of orders."""
    __slots__ = ("orders", "next_page_token")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[_order_pb2.Order]
    r"""The orders, newest first. At most 1,000."""
    next_page_token: str
    r"""Passed as `page_token` it gives the next page; empty on the last one. At most
    128 characters.
    """
    def __init__(self, orders: _Optional[_Iterable[_Union[_order_pb2.Order, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
