from countermand.v1 import cancellation_pb2 as _cancellation_pb2
from countermand.v1 import checkout_pb2 as _checkout_pb2
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

class CreateCheckoutRequest(_message.Message):
    r"""Describes one new checkout and its tasks: at most 4 MiB."""
    __slots__ = ("checkout", "tasks", "supersede")
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDE_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    r"""The checkout. Its output-only fields are ignored."""
    tasks: _containers.RepeatedCompositeFieldContainer[_task_service_pb2.CreateTaskRequest]
    r"""Its tasks, at most 10,000, which become its group; without any it has none
    yet. A task's group_id and order_id must be absent.
    """
    supersede: bool
    r"""Whether to take the cart from the checkout that locks it: that one is
    cancelled in the same transaction, with reason `superseded`, the default
    grace period and requested by the caller's key, or goes on with the cancel
    that it has. The cart is the new checkout's at once.
    """
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[_task_service_pb2.CreateTaskRequest, _Mapping]]] = ..., supersede: _Optional[bool] = ...) -> None: ...

class CreateCheckoutResponse(_message.Message):
    r"""The answer to CreateCheckout."""
    __slots__ = ("checkout", "tasks", "tasks_left_out")
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    TASKS_FIELD_NUMBER: _ClassVar[int]
    TASKS_LEFT_OUT_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    r"""The checkout, OPEN at version 1."""
    tasks: _containers.RepeatedCompositeFieldContainer[_task_pb2.Task]
    r"""Its first tasks, in the order of the request: at most 1,000, and 3 MiB of
    them.
    """
    tasks_left_out: int
    r"""How many tasks of the request are not in `tasks`: ListTasks has them."""
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ..., tasks: _Optional[_Iterable[_Union[_task_pb2.Task, _Mapping]]] = ..., tasks_left_out: _Optional[int] = ...) -> None: ...

class GetCheckoutRequest(_message.Message):
    r"""Names one checkout."""
    __slots__ = ("checkout_id",)
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    checkout_id: str
    r"""The checkout. Its id is 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    def __init__(self, checkout_id: _Optional[str] = ...) -> None: ...

class GetCheckoutResponse(_message.Message):
    r"""The answer to GetCheckout."""
    __slots__ = ("checkout",)
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    r"""The checkout as it is now."""
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ...) -> None: ...

class UpdateCheckoutRequest(_message.Message):
    r"""Changes one checkout: at most 1 MiB."""
    __slots__ = ("checkout", "update_mask", "expected_version")
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSION_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    r"""The checkout, by its checkout_id, and the new values of the fields to change."""
    update_mask: _field_mask_pb2.FieldMask
    r"""The fields to change, for example `totals`, `buyer` or `buyer.email`. A field
    that is named here and not set in `checkout` is cleared, `expire_time` too;
    repeated fields are replaced as a whole. `*` names all fields of the snapshot,
    but not `expire_time`. An unknown or output-only field, and `cart_id`, are
    INVALID_ARGUMENT; there are at most 100 paths, each once.

    If absent, all fields change that are set in `checkout`, and output-only ones
    and `cart_id` are ignored.
    """
    expected_version: int
    r"""Updates only if the checkout is at this version; else ABORTED
    `VERSION_MISMATCH`, and nothing changes.
    """
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., expected_version: _Optional[int] = ...) -> None: ...

class UpdateCheckoutResponse(_message.Message):
    r"""The answer to UpdateCheckout."""
    __slots__ = ("checkout",)
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    r"""The checkout after the change."""
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ...) -> None: ...

class CompleteCheckoutRequest(_message.Message):
    r"""Completes one checkout."""
    __slots__ = ("checkout_id",)
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    checkout_id: str
    r"""The checkout. Its id is 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    def __init__(self, checkout_id: _Optional[str] = ...) -> None: ...

class CompleteCheckoutResponse(_message.Message):
    r"""The answer to CompleteCheckout."""
    __slots__ = ("checkout", "cart")
    CHECKOUT_FIELD_NUMBER: _ClassVar[int]
    CART_FIELD_NUMBER: _ClassVar[int]
    checkout: _checkout_pb2.Checkout
    r"""The checkout, COMPLETED."""
    cart: _checkout_pb2.Cart
    r"""Its cart, CLOSED; unset if it has none."""
    def __init__(self, checkout: _Optional[_Union[_checkout_pb2.Checkout, _Mapping]] = ..., cart: _Optional[_Union[_checkout_pb2.Cart, _Mapping]] = ...) -> None: ...

class GetCartRequest(_message.Message):
    r"""Names one cart."""
    __slots__ = ("cart_id",)
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    cart_id: str
    r"""The cart. Its id is 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    def __init__(self, cart_id: _Optional[str] = ...) -> None: ...

class GetCartResponse(_message.Message):
    r"""The answer to GetCart."""
    __slots__ = ("cart",)
    CART_FIELD_NUMBER: _ClassVar[int]
    cart: _checkout_pb2.Cart
    r"""The cart as it is now."""
    def __init__(self, cart: _Optional[_Union[_checkout_pb2.Cart, _Mapping]] = ...) -> None: ...

class ChangeCartRequest(_message.Message):
    r"""Gives a cart new lines: at most 1 MiB."""
    __slots__ = ("cart_id", "line_items")
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    cart_id: str
    r"""The cart: 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    line_items: _containers.RepeatedCompositeFieldContainer[_checkout_pb2.LineItem]
    r"""All of its lines from now on; none empties it. At most 1,000, of 256 KiB
    encoded together.
    """
    def __init__(self, cart_id: _Optional[str] = ..., line_items: _Optional[_Iterable[_Union[_checkout_pb2.LineItem, _Mapping]]] = ...) -> None: ...

class ChangeCartResponse(_message.Message):
    r"""The answer to ChangeCart."""
    __slots__ = ("cart", "cancellation")
    CART_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_FIELD_NUMBER: _ClassVar[int]
    cart: _checkout_pb2.Cart
    r"""The cart with its new lines."""
    cancellation: _cancellation_pb2.Cancellation
    r"""The cancellation of the checkout that locked the cart, with its results; a
    joined one keeps its own reason. Unset if the cart was not locked.
    """
    def __init__(self, cart: _Optional[_Union[_checkout_pb2.Cart, _Mapping]] = ..., cancellation: _Optional[_Union[_cancellation_pb2.Cancellation, _Mapping]] = ...) -> None: ...

class ListCheckoutsRequest(_message.Message):
    r"""Chooses checkouts. Fields that are set are ANDed."""
    __slots__ = ("state", "cart_id", "page_size", "page_token")
    STATE_FIELD_NUMBER: _ClassVar[int]
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state: _checkout_pb2.CheckoutState
    r"""Only checkouts in this state; unspecified means any, an unknown one is
    INVALID_ARGUMENT.
    """
    cart_id: str
    r"""Only checkouts that name this cart: 1 to 128 of `A-Z a-z 0-9 . _ : -`; empty
    means any. A cart that no checkout names has none.
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
    def __init__(self, state: _Optional[_Union[_checkout_pb2.CheckoutState, str]] = ..., cart_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCheckoutsResponse(_message.Message):
    r"""One page of checkouts."""
    __slots__ = ("checkouts", "next_page_token")
    CHECKOUTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    checkouts: _containers.RepeatedCompositeFieldContainer[_checkout_pb2.Checkout]
    r"""The checkouts, newest first. At most 1,000."""
    next_page_token: str
    r"""Passed as `page_token` it gives the next page; empty on the last one. At most
    128 characters.
    """
    def __init__(self, checkouts: _Optional[_Iterable[_Union[_checkout_pb2.Checkout, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListCartsRequest(_message.Message):
    r"""Chooses carts. Fields that are set are ANDed."""
    __slots__ = ("state", "page_size", "page_token")
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    state: _checkout_pb2.CartState
    r"""Only carts in this state; unspecified means any, an unknown one is
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
    def __init__(self, state: _Optional[_Union[_checkout_pb2.CartState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListCartsResponse(_message.Message):
    r"""One page of carts."""
    __slots__ = ("carts", "next_page_token")
    CARTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    carts: _containers.RepeatedCompositeFieldContainer[_checkout_pb2.Cart]
    r"""The carts, newest first. At most 1,000."""
    next_page_token: str
    r"""Passed as `page_token` it gives the next page; empty on the last one. At most
    128 characters.
    """
    def __init__(self, carts: _Optional[_Iterable[_Union[_checkout_pb2.Cart, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
