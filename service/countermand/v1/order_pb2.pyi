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
    __slots__ = ()
    ORDER_STATE_UNSPECIFIED: _ClassVar[OrderState]
    ORDER_STATE_OPEN: _ClassVar[OrderState]
    ORDER_STATE_CANCELLING: _ClassVar[OrderState]
    ORDER_STATE_CANCELLED: _ClassVar[OrderState]
    ORDER_STATE_PARTIALLY_CANCELLED: _ClassVar[OrderState]
    ORDER_STATE_CLOSED: _ClassVar[OrderState]
ORDER_STATE_UNSPECIFIED: OrderState
ORDER_STATE_OPEN: OrderState
ORDER_STATE_CANCELLING: OrderState
ORDER_STATE_CANCELLED: OrderState
ORDER_STATE_PARTIALLY_CANCELLED: OrderState
ORDER_STATE_CLOSED: OrderState

class Order(_message.Message):
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
    number: str
    note: str
    state: OrderState
    version: int
    financial_status: str
    fulfillment_status: str
    email_status: str
    recovery_status: str
    cancel_reason: str
    payment_method: str
    discount_applications: str
    customer_note: str
    buyer_accepts_marketing: bool
    currency: str
    total_price: str
    sub_total: str
    total_discount: str
    total_tax: str
    total_shipping: str
    code_discount_total: str
    gift_card_total: str
    total_refund_price: str
    additional_total: str
    additional_prices: _containers.RepeatedCompositeFieldContainer[AdditionalPrice]
    shipping_tax_total: str
    total_tip_received: str
    total_paid: str
    tags: _containers.RepeatedScalarFieldContainer[str]
    shipping_line: ShippingLine
    fulfillments: _containers.RepeatedCompositeFieldContainer[Fulfillment]
    logistics_code: str
    refer_info: str
    config: OrderConfig
    sales_platform: str
    checkout_url: str
    invoice_url: str
    checkout_ids: _containers.RepeatedScalarFieldContainer[str]
    task_counts: _containers.RepeatedCompositeFieldContainer[_task_pb2.TaskCount]
    cancellation_id: str
    customer_deleted_time: _timestamp_pb2.Timestamp
    delete_time: _timestamp_pb2.Timestamp
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    place_time: _timestamp_pb2.Timestamp
    cancel_time: _timestamp_pb2.Timestamp
    customer: _struct_pb2.Struct
    shipping_address: _struct_pb2.Struct
    billing_address: _struct_pb2.Struct
    payment_line: _struct_pb2.Struct
    location_line: _struct_pb2.Struct
    line_items: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    extra: _containers.ScalarMap[str, str]
    shipped: bool
    platform_status: str
    platform_cancel_reason: str
    platform_create_time: _timestamp_pb2.Timestamp
    platform_update_time: _timestamp_pb2.Timestamp
    platform_cancel_time: _timestamp_pb2.Timestamp
    def __init__(self, order_id: _Optional[str] = ..., number: _Optional[str] = ..., note: _Optional[str] = ..., state: _Optional[_Union[OrderState, str]] = ..., version: _Optional[int] = ..., financial_status: _Optional[str] = ..., fulfillment_status: _Optional[str] = ..., email_status: _Optional[str] = ..., recovery_status: _Optional[str] = ..., cancel_reason: _Optional[str] = ..., payment_method: _Optional[str] = ..., discount_applications: _Optional[str] = ..., customer_note: _Optional[str] = ..., buyer_accepts_marketing: _Optional[bool] = ..., currency: _Optional[str] = ..., total_price: _Optional[str] = ..., sub_total: _Optional[str] = ..., total_discount: _Optional[str] = ..., total_tax: _Optional[str] = ..., total_shipping: _Optional[str] = ..., code_discount_total: _Optional[str] = ..., gift_card_total: _Optional[str] = ..., total_refund_price: _Optional[str] = ..., additional_total: _Optional[str] = ..., additional_prices: _Optional[_Iterable[_Union[AdditionalPrice, _Mapping]]] = ..., shipping_tax_total: _Optional[str] = ..., total_tip_received: _Optional[str] = ..., total_paid: _Optional[str] = ..., tags: _Optional[_Iterable[str]] = ..., shipping_line: _Optional[_Union[ShippingLine, _Mapping]] = ..., fulfillments: _Optional[_Iterable[_Union[Fulfillment, _Mapping]]] = ..., logistics_code: _Optional[str] = ..., refer_info: _Optional[str] = ..., config: _Optional[_Union[OrderConfig, _Mapping]] = ..., sales_platform: _Optional[str] = ..., checkout_url: _Optional[str] = ..., invoice_url: _Optional[str] = ..., checkout_ids: _Optional[_Iterable[str]] = ..., task_counts: _Optional[_Iterable[_Union[_task_pb2.TaskCount, _Mapping]]] = ..., cancellation_id: _Optional[str] = ..., customer_deleted_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., delete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., place_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cancel_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., customer: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., shipping_address: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., billing_address: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., payment_line: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., location_line: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., line_items: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ..., extra: _Optional[_Mapping[str, str]] = ..., shipped: _Optional[bool] = ..., platform_status: _Optional[str] = ..., platform_cancel_reason: _Optional[str] = ..., platform_create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., platform_update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., platform_cancel_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AdditionalPrice(_message.Message):
    __slots__ = ("name", "price")
    NAME_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    name: str
    price: str
    def __init__(self, name: _Optional[str] = ..., price: _Optional[str] = ...) -> None: ...

class ShippingLine(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Fulfillment(_message.Message):
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
    status: str
    tracking_number: str
    carrier: str
    ship_time: _timestamp_pb2.Timestamp
    line_items: _containers.RepeatedCompositeFieldContainer[_struct_pb2.Struct]
    extra: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., status: _Optional[str] = ..., tracking_number: _Optional[str] = ..., carrier: _Optional[str] = ..., ship_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., line_items: _Optional[_Iterable[_Union[_struct_pb2.Struct, _Mapping]]] = ..., extra: _Optional[_Mapping[str, str]] = ...) -> None: ...

class OrderConfig(_message.Message):
    __slots__ = ("product_tax_included",)
    PRODUCT_TAX_INCLUDED_FIELD_NUMBER: _ClassVar[int]
    product_tax_included: bool
    def __init__(self, product_tax_included: _Optional[bool] = ...) -> None: ...
