from countermand.v1 import cancellation_pb2 as _cancellation_pb2
from countermand.v1 import checkout_pb2 as _checkout_pb2
from countermand.v1 import task_pb2 as _task_pb2
from countermand.v1 import task_service_pb2 as _task_service_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateCheckoutRequest(_message.Message):
    __slots__ = ("checkout", "tasks", "supersede")
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDE_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    tasks: _containers.RepeatedCompositeFieldContainer[_task_service_pb2.CreateTaskRequest]
    supersede: bool
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[_task_service_pb2.CreateTaskRequest, _Mapping]]] = ..., supersede: _Optional[bool] = ...) -> None: ...

class CreateCheckoutResponse(_message.Message):
    __slots__ = ("checkout", "tasks", "tasks_left_out")
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    TASKS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    tasks: _containers.RepeatedCompositeFieldContainer[_task_pb2.Task]
    tasks_left_out: int
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[_task_pb2.Task, _Mapping]]] = ..., tasks_left_out: _Optional[int] = ...) -> None: ...

class GetCheckoutRequest(_message.Message):
    __slots__ = ("checkout_id",)
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    checkout_id: str
    def __init__(self, checkout_id: _Optional[str] = ...) -> None: ...

class GetCheckoutResponse(_message.Message):
    __slots__ = ("checkout",)
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ...) -> None: ...

class UpdateCheckoutRequest(_message.Message):
    __slots__ = ("checkout", "update_mask", "expected_version")
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    update_mask: _field_mask_pb2.FieldMask
    expected_version: int
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., expected_version: _Optional[int] = ...) -> None: ...

class UpdateCheckoutResponse(_message.Message):
    __slots__ = ("checkout",)
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ...) -> None: ...

class CompleteCheckoutRequest(_message.Message):
    __slots__ = ("checkout_id",)
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    checkout_id: str
    def __init__(self, checkout_id: _Optional[str] = ...) -> None: ...

class CompleteCheckoutResponse(_message.Message):
    __slots__ = ("checkout", "cart")
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    CART_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    cart: _checkout_pb2.Cart
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ..., cart: _Optional[_Union[_checkout_pb2.Cart, _Mapping]] = ...) -> None: ...

class GetCartRequest(_message.Message):
    __slots__ = ("cart_id",)
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    cart_id: str
    def __init__(self, cart_id: _Optional[str] = ...) -> None: ...

class GetCartResponse(_message.Message):
    __slots__ = ("cart",)
    CART_FIELD_NUMBER: _ClassVar[int]
    cart: _checkout_pb2.Cart
    def __init__(self, cart: _Optional[_Union[_checkout_pb2.Cart, _Mapping]] = ...) -> None: ...

class ChangeCartRequest(_message.Message):
    __slots__ = ("cart_id", "line_items")
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    cart_id: str
    line_items: _containers.RepeatedCompositeFieldContainer[_checkout_pb2.LineItem]
    def __init__(self, cart_id: _Optional[str] = ..., line_items: _Optional[_Iterable[_Union[_checkout_pb2.LineItem, _Mapping]]] = ...) -> None: ...

class ChangeCartResponse(_message.Message):
    __slots__ = ("cart", "cancellation")
    CART_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    cart: _checkout_pb2.Cart
    cancellation: _cancellation_pb2.Cancellation
    def __init__(self, cart: _Optional[_Union[_checkout_pb2.Cart, _Mapping]] = ..., cancellation: _Optional[_Union[_cancellation_pb2.Cancellation, _Mapping]] = ...) -> None: ...

class ListCheckoutsRequest(_message.Message):
    __slots__ = ("state", "cart_id", "page_size", "page_token")
    STATE_FIELD_NUMBER: _ClassVar[int]
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state: _checkout_pb2.CheckoutState
    cart_id: str
    page_size: int
    page_token: str
    def __init__(self, state: _Optional[_Union[_checkout_pb2.CheckoutState, str]] = ..., cart_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCheckoutsResponse(_message.Message):
    __slots__ = ("checkouts", "next_page_token")
    CHECKOUTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    checkouts: _containers.RepeatedCompositeFieldContainer[_checkout_pb2.Checkout]
    next_page_token: str
    def __init__(self, checkouts: _Optional[_Iterable[_Union[_checkout_pb2.Checkout, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListCartsRequest(_message.Message):
    __slots__ = ("state", "page_size", "page_token")
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state: _checkout_pb2.CartState
    page_size: int
    page_token: str
    def __init__(self, state: _Optional[_Union[_checkout_pb2.CartState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCartsResponse(_message.Message):
    __slots__ = ("carts", "next_page_token")
    CARTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    carts: _containers.RepeatedCompositeFieldContainer[_checkout_pb2.Cart]
    next_page_token: str
    def __init__(self, carts: _Optional[_Iterable[_Union[_checkout_pb2.Cart, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
