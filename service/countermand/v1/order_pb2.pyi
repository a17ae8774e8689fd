import datetime

from countermand.v1 import task_pb2 as _task_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OrderState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""Where an order stands.

    OPEN becomes CANCELLING by CancelOrder, or CLOSED by UpdateOrder. If no task
    and no checkout has to be waited for, a cancelled order passes CANCELLING
    within that one transaction and has ended in the answer itself. A CANCELLING
    order ends with its last task, its own or a checkout's. All but OPEN and
    CANCELLING are terminal.

    Values may be added.
    """
    __slots__ = ()
    ORDER_STATE_UNSPECIFIED: _ClassVar[OrderState]
    r"""OPEN in CreateOrder; never sent."""
    ORDER_STATE_OPEN: _ClassVar[OrderState]
    r"""Neither closed nor cancelled; tasks may join."""
    ORDER_STATE_CANCELLING: _ClassVar[OrderState]
    r"""A cancel was accepted, and some task has not ended. No task may join."""
    ORDER_STATE_CANCELLED: _ClassVar[OrderState]
    r"""Terminal: cancelled, and no task became COMPLETED after the accept. One that
    was created CANCELLED, as its platform has it, names no cancellation.
    """
    ORDER_STATE_PARTIALLY_CANCELLED: _ClassVar[OrderState]
    r"""Terminal: cancelled, but some task became COMPLETED after the accept. Tasks
    that were COMPLETED before do not make an order partial.
    """
    ORDER_STATE_CLOSED: _ClassVar[OrderState]
    r"""Terminal: closed by UpdateOrder, or created so. No task may join, and it
    cannot be cancelled.
    """
ORDER_STATE_UNSPECIFIED: OrderState
r"""OPEN in CreateOrder; never sent."""
ORDER_STATE_OPEN: OrderState
r"""Neither closed nor cancelled; tasks may join."""
ORDER_STATE_CANCELLING: OrderState
r"""A cancel was accepted, and some task has not ended. No task may join."""
ORDER_STATE_CANCELLED: OrderState
r"""Terminal: cancelled, and no task became COMPLETED after the accept. One that
was created CANCELLED, as its platform has it, names no cancellation.
"""
ORDER_STATE_PARTIALLY_CANCELLED: OrderState
r"""Terminal: cancelled, but some task became COMPLETED after the accept. Tasks
that were COMPLETED before do not make an order partial.
"""
ORDER_STATE_CLOSED: OrderState
r"""Terminal: closed by UpdateOrder, or created so. No task may join, and it
cannot be cancelled.
"""

class Order(_message.Message):
    r"""A placed order: what its platform says of it, with the tasks that fulfil it
    and the checkouts that it came from.

    All fields that are not output only are a snapshot: they are returned as they
    were given, in every state, and may be changed by UpdateOrder in every state,
    since refunds come after a cancel. Countermand reads of it only `shipped`,
    `fulfillment_status` and the `status` of each of `fulfillments`. Prices are
    decimal strings, such as `9.99`.

    Its tasks are its own and those of its checkouts: at most 10,000 together.
    It carries their counts, never the tasks: list or watch those with a
    `TaskFilter`. Ids of tasks, groups, cancellations and requests are UUIDs;
    those of checkouts, carts, orders and agents are 1 to 128 of
    `A-Z a-z 0-9 . _ : -`.

    Encoded, the snapshot has at most 256 KiB, and each of its lists and maps at
    most 1,000 entries; what would be larger is INVALID_ARGUMENT, and so are
    times that are not of the years 1 to 9999. So are, in a Struct, numbers that
    are not finite, a Value without a kind, and more than 20 Structs and lists
    within each other: what cannot be shown as JSON. An order of before that is
    larger can be read, cancelled and closed all the same, and updated as long
    as that enlarges nothing that is too large.
    """
    __slots__ = ("order_id", "number", "note", "state", "version", "financial_status", "fulfillment_status", "email_status", "recovery_status", "cancel_reason", "payment_method", "discount_applications", "customer_note", "buyer_accepts_marketing", "currency", "total_price", "sub_total", "total_discount", "total_tax", "total_shipping", "code_discount_total", "gift_card_total", "total_refund_price", "additional_total", "additional_prices", "shipping_tax_total", "total_tip_received", "total_paid", "tags", "shipping_line", "fulfillments", "logistics_code", "refer_info", "config", "sales_platform", "checkout_url", "invoice_url", "checkout_ids", "task_counts", "cancellation_id", "customer_deleted_time", "delete_time", "create_time", "update_time", "place_time", "cancel_time", "customer", "shipping_address", "billing_address", "payment_line", "location_line", "line_items", "extra", "shipped", "platform_status", "platform_cancel_reason", "platform_create_time", "platform_update_time", "platform_cancel_time")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FINANCIAL_STATUS_FIELD_NUMBER: _ClassVar[int]
    FULFILLMENT_STATUS_FIELD_NUMBER: _ClassVar[int]
    EMAIL_STATUS_FIELD_NUMBER: _ClassVar[int]
    RECOVERY_STATUS_FIELD_NUMBER: _ClassVar[int]
    CANCEL_REASON_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_APPLICATIONS_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_NOTE_FIELD_NUMBER: _ClassVar[int]
    BUYER_ACCEPTS_MARKETING_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PRICE_FIELD_NUMBER: _ClassVar[int]
    SUB_TOTAL_FIELD_NUMBER: _ClassVar[int]
    TOTAL_DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TAX_FIELD_NUMBER: _ClassVar[int]
    TOTAL_SHIPPING_FIELD_NUMBER: _ClassVar[int]
    CODE_DISCOUNT_TOTAL_FIELD_NUMBER: _ClassVar[int]
    GIFT_CARD_TOTAL_FIELD_NUMBER: _ClassVar[int]
    TOTAL_REFUND_PRICE_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_TOTAL_FIELD_NUMBER: _ClassVar[int]
    ADDITIONAL_PRICES_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_TAX_TOTAL_FIELD_NUMBER: _ClassVar[int]
    TOTAL_TIP_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_PAID_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_LINE_FIELD_NUMBER: _ClassVar[int]
    FULFILLMENTS_FIELD_NUMBER: _ClassVar[int]
    LOGISTICS_CODE_FIELD_NUMBER: _ClassVar[int]
    REFER_INFO_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    SALES_PLATFORM_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_URL_FIELD_NUMBER: _ClassVar[int]
    INVOICE_URL_FIELD_NUMBER: _ClassVar[int]
    CHECKOUT_IDS_FIELD_NUMBER: _ClassVar[int]
    TASK_COUNTS_FIELD_NUMBER: _ClassVar[int]
    CANCELLATION_ID_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_DELETED_TIME_FIELD_NUMBER: _ClassVar[int]
    DELETE_TIME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    PLACE_TIME_FIELD_NUMBER: _ClassVar[int]
    CANCEL_TIME_FIELD_NUMBER: _ClassVar[int]
    CUSTOMER_FIELD_NUMBER: _ClassVar[int]
    SHIPPING_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    BILLING_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_LINE_FIELD_NUMBER: _ClassVar[int]
    LOCATION_LINE_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    SHIPPED_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_STATUS_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_CANCEL_REASON_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_CANCEL_TIME_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    r"""The order's id: 1 to 128 of `A-Z a-z 0-9 . _ : -`. If absent in CreateOrder,
    one is made: `order_` and a UUIDv7.
    """
    number: str
    r"""The number that people know the order by."""
    note: str
    r"""What the merchant noted."""
    state: OrderState
    r"""Where the order stands. CreateOrder may set it to CLOSED or CANCELLED for an
    order that has ended at its platform, and UpdateOrder to CLOSED; else it is
    output only.
    """
    version: int
    r"""Starts at 1 and grows by 1 with every committed change of the order itself:
    its state, its cancellation, its snapshot, its checkouts, tasks that join
    it. Changes of its tasks' states do not count. Pass it as `expected_version`
    to cancel only what you have seen. Output only.
    """
    financial_status: str
    r"""How its payment stands, in the platform's words."""
    fulfillment_status: str
    r"""How its fulfilment stands, in the platform's words. Unless `shipped` is set,
    these words here, or in the `status` of any of `fulfillments`, say that goods
    have left, and refuse a cancel: shipped, partially shipped, fulfilled,
    partially fulfilled, finished, partially finished, partial, in transit, out
    for delivery, delivered, partially delivered, picked up, carrier picked up,
    attempted delivery, success, and those that the operator adds with
    `serve --shipped-word`.

    They are compared by their letters alone: case, blanks, `_`, `-` and camel
    case do not count, so that `PartiallyShipped`, `partially_shipped` and
    ` partially shipped ` are one word. Any other word, such as
    `ready_for_pickup`, does not refuse a cancel.
    """
    email_status: str
    r"""How its e-mails stand, in the platform's words."""
    recovery_status: str
    r"""How its recovery stands, in the platform's words."""
    cancel_reason: str
    r"""Why the order was cancelled, as the canceller said; set when the cancel is
    accepted. Output only. At most 128 characters.
    """
    payment_method: str
    r"""How it was paid."""
    discount_applications: str
    r"""The discounts that were applied, in the platform's encoding."""
    customer_note: str
    r"""What the customer noted."""
    buyer_accepts_marketing: bool
    r"""Whether the customer accepts advertising."""
    currency: str
    r"""The currency of all prices, in any case."""
    total_price: str
    r"""What the customer pays in all."""
    sub_total: str
    r"""The price of all products."""
    total_discount: str
    r"""What is taken off."""
    total_tax: str
    r"""The tax."""
    total_shipping: str
    r"""The price of shipping."""
    code_discount_total: str
    r"""What discount codes take off."""
    gift_card_total: str
    r"""What gift cards pay."""
    total_refund_price: str
    r"""What was refunded. Countermand never refunds."""
    additional_total: str
    r"""The sum of `additional_prices`."""
    additional_prices: _containers.RepeatedCompositeFieldContainer[AdditionalPrice]
    r"""What is charged besides."""
    shipping_tax_total: str
    r"""The tax on shipping."""
    total_tip_received: str
    r"""What was tipped."""
    total_paid: str
    r"""What was paid."""
    tags: _containers.RepeatedScalarFieldContainer[str]
    r"""The merchant's tags."""
    shipping_line: ShippingLine
    r"""How it is shipped."""
    fulfillments: _containers.RepeatedCompositeFieldContainer[Fulfillment]
    r"""What was sent, or is to be."""
    logistics_code: str
    r"""The platform's code of the way it is sent."""
    refer_info: str
    r"""Where the customer came from, in the platform's encoding."""
    config: OrderConfig
    r"""How its prices are made."""
    sales_platform: str
    r"""Where it was sold."""
    checkout_url: str
    r"""The address of its checkout page."""
    invoice_url: str
    r"""The address of its invoice."""
    checkout_ids: _containers.RepeatedScalarFieldContainer[str]
    r"""The checkouts that the order came from, each at most once. They can be
    changed while the order is OPEN. An unknown one is NOT_FOUND
    `CHECKOUT_NOT_FOUND`. At most 100; an order of before that lists more may
    keep them, or list fewer. At most 100 orders may list one checkout: one
    more is FAILED_PRECONDITION `TOO_MANY_ORDERS`.
    """
    task_counts: _containers.RepeatedCompositeFieldContainer[_task_pb2.TaskCount]
    r"""How many tasks stand in each state, its own and those of its checkouts;
    states without a task are left out. Output only.
    """
    cancellation_id: str
    r"""The cancellation of the order; empty without one. Output only."""
    customer_deleted_time: _timestamp_pb2.Timestamp
    r"""When the customer deleted the order."""
    delete_time: _timestamp_pb2.Timestamp
    r"""When the merchant deleted the order."""
    create_time: _timestamp_pb2.Timestamp
    r"""When the order was created here. Output only."""
    update_time: _timestamp_pb2.Timestamp
    r"""When the present version was committed. Output only."""
    place_time: _timestamp_pb2.Timestamp
    r"""When the order was placed."""
    cancel_time: _timestamp_pb2.Timestamp
    r"""When the cancel of the order was accepted; unset without one. Output only."""
    customer: _struct_pb2.Struct
    r"""The customer, as the platform has it."""
    shipping_address: _struct_pb2.Struct
    r"""Where to send it, as the platform has it."""
    billing_address: _struct_pb2.Struct
    r"""Where to send the bill, as the platform has it."""
    payment_line: _struct_pb2.Struct
    r"""How it is paid, as the platform has it."""
    location_line: _struct_pb2.Struct
    r"""Where it was sold or is sent from, as the platform has it."""
    line_items: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    r"""What was bought, each line as the platform has it."""
    extra: _containers.ScalarMap[str, str]
    r"""What a platform adds."""
    shipped: bool
    r"""Whether goods have left, as the caller knows it. If it is set, it decides
    alone whether a cancel is refused, and no word of the platform counts. An
    UpdateOrder whose `update_mask` names it and whose `order` does not set it
    clears it, so that the words decide again.
    """
    platform_status: str
    r"""Where the order stands at its platform, in the platform's words. It changes
    nothing here: `state` is ours.
    """
    platform_cancel_reason: str
    r"""Why the platform cancelled the order, in its words."""
    platform_create_time: _timestamp_pb2.Timestamp
    r"""When the platform says that the order was created."""
    platform_update_time: _timestamp_pb2.Timestamp
    r"""When the platform says that the order was last changed."""
    platform_cancel_time: _timestamp_pb2.Timestamp
    r"""When the platform says that the order was cancelled."""
    def __init__(self, order_id: _Optional[str] = ..., number: _Optional[str] = ..., note: _Optional[str] = ..., state: _Optional[_Union[OrderState, str]] = ..., version: _Optional[int] = ..., financial_status: _Optional[str] = ..., fulfillment_status: _Optional[str] = ..., email_status: _Optional[str] = ..., recovery_status: _Optional[str] = ..., cancel_reason: _Optional[str] = ..., payment_method: _Optional[str] = ..., discount_applications: _Optional[str] = ..., customer_note: _Optional[str] = ..., buyer_accepts_marketing: _Optional[bool] = ..., currency: _Optional[str] = ..., total_price: _Optional[str] = ..., sub_total: _Optional[str] = ..., total_discount: _Optional[str] = ..., total_tax: _Optional[str] = ..., total_shipping: _Optional[str] = ..., code_discount_total: _Optional[str] = ..., gift_card_total: _Optional[str] = ..., total_refund_price: _Optional[str] = ..., additional_total: _Optional[str] = ..., additional_prices: _Optional[_Iterable[_Union[AdditionalPrice, _Mapping]]] = ..., shipping_tax_total: _Optional[str] = ..., total_tip_received: _Optional[str] = ..., total_paid: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., shipping_line: _Optional[_Union[ShippingLine, _Mapping]] = ..., fulfillments: _Optional[_Iterable[_Union[Fulfillment, _Mapping]]] = ..., logistics_code: _Optional[str] = ..., refer_info: _Optional[str] = ..., config: _Optional[_Union[OrderConfig, _Mapping]] = ..., sales_platform: _Optional[str] = ..., checkout_url: _Optional[str] = ..., invoice_url: _Optional[str] = ..., checkout_ids: _Optional[_Iterable[str]] = ..., task_counts: _Optional[_Iterable[_Union[_task_pb2.TaskCount, _Mapping]]] = ..., cancellation_id: _Optional[str] = ..., customer_deleted_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., delete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., place_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cancel_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., customer: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., shipping_address: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., billing_address: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., payment_line: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., location_line: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., line_items: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ..., extra: _Optional[_Mapping[str, str]] = ..., shipped: _Optional[bool] = ..., platform_status: _Optional[str] = ..., platform_cancel_reason: _Optional[str] = ..., platform_create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., platform_update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., platform_cancel_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AdditionalPrice(_message.Message):
    r"""What is charged besides. Its texts count in the 256 KiB of the snapshot that
    it belongs to.
    """
    __slots__ = ("name", "price")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    name: str
    r"""What for."""
    price: str
    r"""How much."""
    def __init__(self, name: _Optional[str] = ..., price: _Optional[str] = ...) -> None: ...

class ShippingLine(_message.Message):
    r"""How an order is shipped. Its texts count in the 256 KiB of the snapshot that
    it belongs to.
    """
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    r"""What the customer chose."""
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Fulfillment(_message.Message):
    r"""One parcel, or another part of what was ordered. Its texts count in the 256
    KiB of the snapshot that it belongs to.
    """
    __slots__ = ("id", "status", "tracking_number", "carrier", "ship_time", "line_items", "extra")
    class ExtraEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TRACKING_NUMBER_FIELD_NUMBER: _ClassVar[int]
    CARRIER_FIELD_NUMBER: _ClassVar[int]
    SHIP_TIME_FIELD_NUMBER: _ClassVar[int]
    LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    EXTRA_FIELD_NUMBER: _ClassVar[int]
    id: str
    r"""The platform's id."""
    status: str
    r"""How it stands, in the platform's words; those that refuse a cancel are named
    at `fulfillment_status` of the order.
    """
    tracking_number: str
    r"""The carrier's number."""
    carrier: str
    r"""Who carries it."""
    ship_time: _timestamp_pb2.Timestamp
    r"""When it was sent."""
    line_items: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    r"""What is in it, each line as the platform has it. At most 1,000."""
    extra: _containers.ScalarMap[str, str]
    r"""What a platform adds. At most 1,000 entries."""
    def __init__(self, id: _Optional[str] = ..., status: _Optional[str] = ..., tracking_number: _Optional[str] = ..., carrier: _Optional[str] = ..., ship_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., line_items: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class OrderConfig(_message.Message):
    r"""How the prices of an order are made."""
    __slots__ = ("product_tax_included",)
    PRODUCT_TAX_INCLUDED_FIELD_NUMBER: _ClassVar[int]
    product_tax_included: bool
    r"""Whether product prices include tax."""
    def __init__(self, product_tax_included: _Optional[bool] = ...) -> None: ...
