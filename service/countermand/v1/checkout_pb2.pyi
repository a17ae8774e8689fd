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
    __slots__ = ()
    CHECKOUT_STATE_UNSPECIFIED: _ClassVar[CheckoutState]
    CHECKOUT_STATE_OPEN: _ClassVar[CheckoutState]
    CHECKOUT_STATE_CANCELLING: _ClassVar[CheckoutState]
    CHECKOUT_STATE_CANCELLED: _ClassVar[CheckoutState]
    CHECKOUT_STATE_PARTIALLY_CANCELLED: _ClassVar[CheckoutState]
    CHECKOUT_STATE_COMPLETED: _ClassVar[CheckoutState]

class CartState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CART_STATE_UNSPECIFIED: _ClassVar[CartState]
    CART_STATE_ACTIVE: _ClassVar[CartState]
    CART_STATE_LOCKED: _ClassVar[CartState]
    CART_STATE_CLOSED: _ClassVar[CartState]
CHECKOUT_STATE_UNSPECIFIED: CheckoutState
CHECKOUT_STATE_OPEN: CheckoutState
CHECKOUT_STATE_CANCELLING: CheckoutState
CHECKOUT_STATE_CANCELLED: CheckoutState
CHECKOUT_STATE_PARTIALLY_CANCELLED: CheckoutState
CHECKOUT_STATE_COMPLETED: CheckoutState
CART_STATE_UNSPECIFIED: CartState
CART_STATE_ACTIVE: CartState
CART_STATE_LOCKED: CartState
CART_STATE_CLOSED: CartState

class Checkout(_message.Message):
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
    cart_id: str
    group_id: str
    state: CheckoutState
    version: int
    currency: str
    buyer: Buyer
    line_items: _containers.RepeatedCompositeFieldContainer[LineItem]
    fulfillment_address: Address
    fulfillment_options: _containers.RepeatedCompositeFieldContainer[FulfillmentOption]
    fulfillment_option_id: str
    totals: _containers.RepeatedCompositeFieldContainer[Total]
    messages: _containers.RepeatedCompositeFieldContainer[CheckoutMessage]
    links: _containers.RepeatedCompositeFieldContainer[CheckoutLink]
    task_counts: _containers.RepeatedCompositeFieldContainer[_task_pb2.TaskCount]
    cancellation_id: str
    expire_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    cancel_time: _timestamp_pb2.Timestamp
    def __init__(self, checkout_id: _Optional[str] = ..., cart_id: _Optional[str] = ..., group_id: _Optional[str] = ..., state: _Optional[_Union[CheckoutState, str]] = ..., version: _Optional[int] = ..., currency: _Optional[str] = ..., buyer: _Optional[_Union[Buyer, _Mapping]] = ..., line_items: _Optional[_Iterable[_Union[LineItem, _Mapping]]] = ..., fulfillment_address: _Optional[_Union[Address, _Mapping]] = ..., fulfillment_options: _Optional[_Iterable[_Union[FulfillmentOption, _Mapping]]] = ..., fulfillment_option_id: _Optional[str] = ..., totals: _Optional[_Iterable[_Union[Total, _Mapping]]] = ..., messages: _Optional[_Iterable[_Union[CheckoutMessage, _Mapping]]] = ..., links: _Optional[_Iterable[_Union[CheckoutLink, _Mapping]]] = ..., task_counts: _Optional[_Iterable[_Union[_task_pb2.TaskCount, _Mapping]]] = ..., cancellation_id: _Optional[str] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cancel_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Cart(_message.Message):
    __slots__ = ("cart_id", "state", "checkout_id", "line_items", "version")
    CART_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_ID_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    cart_id: str
    state: CartState
    checkout_id: str
    line_items: _containers.RepeatedCompositeFieldContainer[LineItem]
    version: int
    def __init__(self, cart_id: _Optional[str] = ..., state: _Optional[_Union[CartState, str]] = ..., checkout_id: _Optional[str] = ..., line_items: _Optional[_Iterable[_Union[LineItem, _Mapping]]] = ..., version: _Optional[int] = ...) -> None: ...

class Buyer(_message.Message):
    __slots__ = ("first_name", "last_name", "email", "phone_number")
    FIRST_NAME_FIELD_NUMBER: _ClassVar[int]
    LAST_NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PHONE_NUMBER_FIELD_NUMBER: _ClassVar[int]
    first_name: str
    last_name: str
    email: str
    phone_number: str
    def __init__(self, first_name: _Optional[str] = ..., last_name: _Optional[str] = ..., email: _Optional[str] = ..., phone_number: _Optional[str] = ...) -> None: ...

class LineItem(_message.Message):
    __slots__ = ("id", "item", "base_amount", "discount", "subtotal", "tax", "total")
    ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    BASE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    SUBTOTAL_FIELD_NUMBER: _ClassVar[int]
    TAX_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    id: str
    item: Item
    base_amount: int
    discount: int
    subtotal: int
    tax: int
    total: int
    def __init__(self, id: _Optional[str] = ..., item: _Optional[_Union[Item, _Mapping]] = ..., base_amount: _Optional[int] = ..., discount: _Optional[int] = ..., subtotal: _Optional[int] = ..., tax: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("id", "quantity")
    ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    id: str
    quantity: int
    def __init__(self, id: _Optional[str] = ..., quantity: _Optional[int] = ...) -> None: ...

class Address(_message.Message):
    __slots__ = ("name", "line_one", "line_two", "city", "state", "country", "postal_code")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LINE_ONE_FIELD_NUMBER: _ClassVar[int]
    LINE_TWO_FIELD_NUMBER: _ClassVar[int]
    CITY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    COUNTRY_FIELD_NUMBER: _ClassVar[int]
    POSTAL_CODE_FIELD_NUMBER: _ClassVar[int]
    name: str
    line_one: str
    line_two: str
    city: str
    state: str
    country: str
    postal_code: str
    def __init__(self, name: _Optional[str] = ..., line_one: _Optional[str] = ..., line_two: _Optional[str] = ..., city: _Optional[str] = ..., state: _Optional[str] = ..., country: _Optional[str] = ..., postal_code: _Optional[str] = ...) -> None: ...

class FulfillmentOption(_message.Message):
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
    id: str
    title: str
    subtitle: str
    carrier: str
    subtotal: int
    tax: int
    total: int
    def __init__(self, type: _Optional[str] = ..., id: _Optional[str] = ..., title: _Optional[str] = ..., subtitle: _Optional[str] = ..., carrier: _Optional[str] = ..., subtotal: _Optional[int] = ..., tax: _Optional[int] = ..., total: _Optional[int] = ...) -> None: ...

class Total(_message.Message):
    __slots__ = ("type", "display_text", "amount")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    DISPLAY_TEXT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    type: str
    display_text: str
    amount: int
    def __init__(self, type: _Optional[str] = ..., display_text: _Optional[str] = ..., amount: _Optional[int] = ...) -> None: ...

class CheckoutMessage(_message.Message):
    __slots__ = ("type", "content_type", "content")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    type: str
    content_type: str
    content: str
    def __init__(self, type: _Optional[str] = ..., content_type: _Optional[str] = ..., content: _Optional[str] = ...) -> None: ...

class CheckoutLink(_message.Message):
    __slots__ = ("type", "url")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    type: str
    url: str
    def __init__(self, type: _Optional[str] = ..., url: _Optional[str] = ...) -> None: ...
