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

class CheckoutState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""Where a checkout stands.

    OPEN becomes COMPLETED by CompleteCheckout, or CANCELLING by a cancel: its own,
    that of its order, that of ChangeCart, of a checkout that supersedes it, or of
    its `expire_time`. If none of its tasks is RUNNING or CANCELLING, it passes
    CANCELLING within that one transaction and has ended in the answer itself. A
    CANCELLING checkout ends with its last task. All but OPEN and CANCELLING are
    terminal.

    Values may be added.
    """
    __slots__ = ()
    CHECKOUT_STATE_UNSPECIFIED: _ClassVar[CheckoutState]
    r"""Ignored in a request; never sent."""
    CHECKOUT_STATE_OPEN: _ClassVar[CheckoutState]
    r"""Neither completed nor cancelled; tasks may join."""
    CHECKOUT_STATE_CANCELLING: _ClassVar[CheckoutState]
    r"""A cancel was accepted, and some task has not ended. No task may join, and
    the cart stays LOCKED.
    """
    CHECKOUT_STATE_CANCELLED: _ClassVar[CheckoutState]
    r"""Terminal: cancelled, and none of its tasks is COMPLETED."""
    CHECKOUT_STATE_PARTIALLY_CANCELLED: _ClassVar[CheckoutState]
    r"""Terminal: cancelled, but some of its tasks are COMPLETED."""
    CHECKOUT_STATE_COMPLETED: _ClassVar[CheckoutState]
    r"""Terminal: completed. Tasks that have not ended run on."""

class CartState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""Where a cart stands.

    ACTIVE becomes LOCKED by CreateCheckout. LOCKED becomes ACTIVE when the
    checkout that locks it ends CANCELLED or PARTIALLY_CANCELLED, in the same
    transaction, and CLOSED when that checkout is completed. A checkout that was
    superseded no longer locks the cart, so its end does not unlock it.

    Values may be added.
    """
    __slots__ = ()
    CART_STATE_UNSPECIFIED: _ClassVar[CartState]
    r"""Never sent."""
    CART_STATE_ACTIVE: _ClassVar[CartState]
    r"""No checkout locks the cart."""
    CART_STATE_LOCKED: _ClassVar[CartState]
    r"""A checkout that is OPEN or CANCELLING locks the cart."""
    CART_STATE_CLOSED: _ClassVar[CartState]
    r"""Terminal: its checkout was completed."""
CHECKOUT_STATE_UNSPECIFIED: CheckoutState
r"""Ignored in a request; never sent."""
CHECKOUT_STATE_OPEN: CheckoutState
r"""Neither completed nor cancelled; tasks may join."""
CHECKOUT_STATE_CANCELLING: CheckoutState
r"""A cancel was accepted, and some task has not ended. No task may join, and
the cart stays LOCKED.
"""
CHECKOUT_STATE_CANCELLED: CheckoutState
r"""Terminal: cancelled, and none of its tasks is COMPLETED."""
CHECKOUT_STATE_PARTIALLY_CANCELLED: CheckoutState
r"""Terminal: cancelled, but some of its tasks are COMPLETED."""
CHECKOUT_STATE_COMPLETED: CheckoutState
r"""Terminal: completed. Tasks that have not ended run on."""
CART_STATE_UNSPECIFIED: CartState
r"""Never sent."""
CART_STATE_ACTIVE: CartState
r"""No checkout locks the cart."""
CART_STATE_LOCKED: CartState
r"""A checkout that is OPEN or CANCELLING locks the cart."""
CART_STATE_CLOSED: CartState
r"""Terminal: its checkout was completed."""

class Checkout(_message.Message):
    r"""A checkout session: what is bought, by whom and for how much, with the tasks
    that do the work, and maybe the cart that it locks.

    Buyer, lines, address, options, totals, messages and links are a snapshot: it
    is returned as it was given, in every state, and Countermand computes nothing
    in it. UpdateCheckout may change it while the checkout is OPEN. All money is in
    minor units of `currency`.

    A checkout that was created with tasks has a group from the start. One that
    was created without gets its group by CreateGroup with its checkout_id,
    once. A task that is created with a checkout_id joins the checkout's group
    if it has one. It holds at most 10,000 tasks, and carries their counts,
    never the tasks: list or watch those with a `TaskFilter`. Ids of tasks,
    groups, cancellations and requests are UUIDs; those of checkouts, carts,
    orders and agents are 1 to 128 of `A-Z a-z 0-9 . _ : -`.

    Encoded, the snapshot has at most 256 KiB, and each of its lists and maps at
    most 1,000 entries; what would be larger is INVALID_ARGUMENT, and so are
    times that are not of the years 1 to 9999. The message that a cancel adds
    does not count. A checkout of before that is larger can be read, cancelled
    and completed all the same.

    At most 100 orders may list one checkout.
    """
    __slots__ = ("checkout_id", "cart_id", "group_id", "state", "version", "currency", "buyer", "line_items", "fulfillment_address", "fulfillment_options", "fulfillment_option_id", "totals", "messages", "links", "task_counts", "cancellation_id", "expire_time", "create_time", "update_time", "cancel_time")
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    GROUP_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    BUYER_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    FULFILLMENT_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    FULFILLMENT_OPTIONS_FIELD_NUMBER: _ClassVar[int]
    FULFILLMENT_OPTION_ID_FIELD_NUMBER: _ClassVar[int]
    TOTALS_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNTS_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    CANCEL_TIME_FIELD_NUMBER: _ClassVar[int]
    checkout_id: str
    r"""The checkout's id: 1 to 128 of `A-Z a-z 0-9 . _ : -`. If absent in
    CreateCheckout, one is made: `checkout_` and a UUIDv7.
    """
    cart_id: str
    r"""The cart that the checkout locks, with the same form; empty without one."""
    group_id: str
    r"""The group of the checkout's tasks; empty while it has none. Output only."""
    state: CheckoutState
    r"""Where the checkout stands. Output only."""
    version: int
    r"""Starts at 1 and grows by 1 with every committed change of the checkout
    itself: its state, its cancellation, its snapshot, its `expire_time`, tasks
    that join it, its group. Changes
    of its tasks' states do not count. Pass it as `expected_version` to cancel
    only what you have seen. Output only.
    """
    currency: str
    r"""The currency of all amounts, in any case."""
    buyer: Buyer
    r"""Who buys."""
    line_items: _containers.RepeatedCompositeFieldContainer[LineItem]
    r"""What is bought."""
    fulfillment_address: Address
    r"""Where to send it."""
    fulfillment_options: _containers.RepeatedCompositeFieldContainer[FulfillmentOption]
    r"""The ways to send it, of which the buyer may choose."""
    fulfillment_option_id: str
    r"""The `id` of the option that was chosen."""
    totals: _containers.RepeatedCompositeFieldContainer[Total]
    r"""The sums of the checkout."""
    messages: _containers.RepeatedCompositeFieldContainer[CheckoutMessage]
    r"""What the buyer should read. Once a cancel of the checkout was accepted, one
    more stands at the end: of type `info` and content type `plain`, with the
    content `Checkout cancelled: ` and the canceller's message, or its reason if
    it gave no message.
    """
    links: _containers.RepeatedCompositeFieldContainer[CheckoutLink]
    r"""Where the buyer can read more."""
    task_counts: _containers.RepeatedCompositeFieldContainer[_task_pb2.TaskCount]
    r"""How many tasks stand in each state; states without a task are left out.
    Output only.
    """
    cancellation_id: str
    r"""The cancellation of the checkout, which may be that of its order; empty
    without one. Output only.
    """
    expire_time: _timestamp_pb2.Timestamp
    r"""When the checkout is cancelled by itself, if it is still OPEN by then: with
    reason `timeout`, the default grace period, and requested by
    `system:expiry`. Unset for never; the past is INVALID_ARGUMENT.
    """
    create_time: _timestamp_pb2.Timestamp
    r"""When the checkout was created. Output only."""
    update_time: _timestamp_pb2.Timestamp
    r"""When the present version was committed. Output only."""
    cancel_time: _timestamp_pb2.Timestamp
    r"""When the checkout ended CANCELLED or PARTIALLY_CANCELLED; unset while it has
    not. Output only.
    """
    def __init__(self, checkout_id: _Optional[str] = ..., cart_id: _Optional[str] = ..., group_id: _Optional[str] = ..., state: _Optional[_Union[CheckoutState, str]] = ..., version: _Optional[int] = ..., currency: _Optional[str] = ..., buyer: _Optional[_Union[Buyer, _Mapping]] = ..., line_items: _Optional[_Iterable[_Union[LineItem, _Mapping]]] = ..., fulfillment_address: _Optional[_Union[Address, _Mapping]] = ..., fulfillment_options: _Optional[_Iterable[_Union[FulfillmentOption, _Mapping]]] = ..., fulfillment_option_id: _Optional[str] = ..., totals: _Optional[_Iterable[_Union[Total, _Mapping]]] = ..., messages: _Optional[_Iterable[_Union[CheckoutMessage, _Mapping]]] = ..., links: _Optional[_Iterable[_Union[CheckoutLink, _Mapping]]] = ..., task_counts: _Optional[_Iterable[_Union[_task_pb2.TaskCount, _Mapping]]] = ..., cancellation_id: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cancel_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Cart(_message.Message):
    r"""What a checkout locks while it runs. Ids of tasks, groups, cancellations and
    requests are UUIDs; those of checkouts, carts, orders and agents are 1 to
    128 of `A-Z a-z 0-9 . _ : -`. Its lines are at most 1,000, of 256 KiB
    encoded together.
    """
    __slots__ = ("cart_id", "state", "checkout_id", "line_items", "version")
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    cart_id: str
    r"""The cart's id: 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    state: CartState
    r"""Where the cart stands."""
    checkout_id: str
    r"""The checkout that locks the cart, or that closed it; empty while ACTIVE."""
    line_items: _containers.RepeatedCompositeFieldContainer[LineItem]
    r"""What is in the cart, as the last ChangeCart gave it, or else as in the
    checkout that created the cart.
    """
    version: int
    r"""Starts at 1 and grows by 1 with every committed change of the cart."""
    def __init__(self, cart_id: _Optional[str] = ..., state: _Optional[_Union[CartState, str]] = ..., checkout_id: _Optional[str] = ..., line_items: _Optional[_Iterable[_Union[LineItem, _Mapping]]] = ..., version: _Optional[int] = ...) -> None: ...

class Buyer(_message.Message):
    r"""Who buys. Its texts count in the 256 KiB of the snapshot that it belongs to."""
    __slots__ = ("first_name", "last_name", "email", "phone_number")
    FIRST_NAME_FIELD_NUMBER: _ClassVar[int]
    LAST_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PHONE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    first_name: str
    r"""The first name."""
    last_name: str
    r"""The last name."""
    email: str
    r"""The e-mail address."""
    phone_number: str
    r"""The phone number."""
    def __init__(self, first_name: _Optional[str] = ..., last_name: _Optional[str] = ..., email: _Optional[str] = ..., phone_number: _Optional[str] = ...) -> None: ...

class LineItem(_message.Message):
    r"""One line of a checkout or cart. Its amounts are in minor units. Its texts
    count in the 256 KiB of the snapshot that it belongs to.
    """
    __slots__ = ("id", "item", "base_amount", "discount", "subtotal", "tax", "total")
    ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    BASE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    SUBTOTAL_FIELD_NUMBER: _ClassVar[int]
    TAX_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    id: str
    r"""The line's id, as the caller made it."""
    item: Item
    r"""What is bought, and how many."""
    base_amount: int
    r"""The price before discount and tax."""
    discount: int
    r"""What is taken off."""
    subtotal: int
    r"""The price after discount, before tax."""
    tax: int
    r"""The tax."""
    total: int
    r"""The price in all."""
    def __init__(self, id: _Optional[str] = ..., item: _Optional[_Union[Item, _Mapping]] = ..., base_amount: _Optional[int] = ..., discount: _Optional[int] = ..., subtotal: _Optional[int] = ..., tax: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class Item(_message.Message):
    r"""What is bought. Its texts count in the 256 KiB of the snapshot that it
    belongs to.
    """
    __slots__ = ("id", "quantity")
    ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    id: str
    r"""The merchant's id of the product."""
    quantity: int
    r"""How many."""
    def __init__(self, id: _Optional[str] = ..., quantity: _Optional[int] = ...) -> None: ...

class Address(_message.Message):
    r"""A postal address. Its texts count in the 256 KiB of the snapshot that it
    belongs to.
    """
    __slots__ = ("name", "line_one", "line_two", "city", "state", "country", "postal_code")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LINE_ONE_FIELD_NUMBER: _ClassVar[int]
    LINE_TWO_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    POSTAL_CODE_FIELD_NUMBER: _ClassVar[int]
    name: str
    r"""Who lives there."""
    line_one: str
    r"""The first line."""
    line_two: str
    r"""The second line."""
    city: str
    r"""The city."""
    state: str
    r"""The state or province."""
    country: str
    r"""The country."""
    postal_code: str
    r"""The postal code."""
    def __init__(self, name: _Optional[str] = ..., line_one: _Optional[str] = ..., line_two: _Optional[str] = ..., city: _Optional[str] = ..., state: _Optional[str] = ..., country: _Optional[str] = ..., postal_code: _Optional[str] = ...) -> None: ...

class FulfillmentOption(_message.Message):
    r"""One way to send what is bought. Its amounts are in minor units. Its texts
    count in the 256 KiB of the snapshot that it belongs to.
    """
    __slots__ = ("type", "id", "title", "subtitle", "carrier", "subtotal", "tax", "total")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    SUBTITLE_FIELD_NUMBER: _ClassVar[int]
    CARRIER_FIELD_NUMBER: _ClassVar[int]
    SUBTOTAL_FIELD_NUMBER: _ClassVar[int]
    TAX_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    type: str
    r"""For example `shipping` or `digital`."""
    id: str
    r"""The option's id, as the caller made it."""
    title: str
    r"""What the buyer reads first."""
    subtitle: str
    r"""What the buyer reads below."""
    carrier: str
    r"""Who sends it."""
    subtotal: int
    r"""The price before tax."""
    tax: int
    r"""The tax."""
    total: int
    r"""The price in all."""
    def __init__(self, type: _Optional[str] = ..., id: _Optional[str] = ..., title: _Optional[str] = ..., subtitle: _Optional[str] = ..., carrier: _Optional[str] = ..., subtotal: _Optional[int] = ..., tax: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class Total(_message.Message):
    r"""One sum of a checkout. Its texts count in the 256 KiB of the snapshot that
    it belongs to.
    """
    __slots__ = ("type", "display_text", "amount")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_TEXT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    type: str
    r"""For example `subtotal` or `total`."""
    display_text: str
    r"""What the buyer reads."""
    amount: int
    r"""The sum, in minor units."""
    def __init__(self, type: _Optional[str] = ..., display_text: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class CheckoutMessage(_message.Message):
    r"""What the buyer of a checkout should read. Its texts count in the 256 KiB of
    the snapshot that it belongs to.
    """
    __slots__ = ("type", "content_type", "content")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    type: str
    r"""For example `info` or `error`."""
    content_type: str
    r"""For example `plain` or `markdown`."""
    content: str
    r"""The text."""
    def __init__(self, type: _Optional[str] = ..., content_type: _Optional[str] = ..., content: _Optional[str] = ...) -> None: ...

class CheckoutLink(_message.Message):
    r"""Where the buyer of a checkout can read more. Its texts count in the 256 KiB
    of the snapshot that it belongs to.
    """
    __slots__ = ("type", "url")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    type: str
    r"""For example `terms_of_use`."""
    url: str
    r"""The address of the page."""
    def __init__(self, type: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...
