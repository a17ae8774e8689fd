import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WebhookState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""Whether an endpoint is sent anything."""
    __slots__ = ()
    WEBHOOK_STATE_UNSPECIFIED: _ClassVar[WebhookState]
    r"""Not a state."""
    WEBHOOK_STATE_ENABLED: _ClassVar[WebhookState]
    r"""It is sent all events that it wants."""
    WEBHOOK_STATE_FAILING: _ClassVar[WebhookState]
    r"""Every try failed for an hour; it is asked now and then whether it is back."""
    WEBHOOK_STATE_DISABLED: _ClassVar[WebhookState]
    r"""It is sent nothing until it is enabled."""

class DeliveryState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    r"""What became of a delivery."""
    __slots__ = ()
    DELIVERY_STATE_UNSPECIFIED: _ClassVar[DeliveryState]
    r"""Not a state."""
    DELIVERY_STATE_PENDING: _ClassVar[DeliveryState]
    r"""It will be tried again."""
    DELIVERY_STATE_SUCCEEDED: _ClassVar[DeliveryState]
    r"""The endpoint took it."""
    DELIVERY_STATE_FAILED: _ClassVar[DeliveryState]
    r"""It is tried no more."""
WEBHOOK_STATE_UNSPECIFIED: WebhookState
r"""Not a state."""
WEBHOOK_STATE_ENABLED: WebhookState
r"""It is sent all events that it wants."""
WEBHOOK_STATE_FAILING: WebhookState
r"""Every try failed for an hour; it is asked now and then whether it is back."""
WEBHOOK_STATE_DISABLED: WebhookState
r"""It is sent nothing until it is enabled."""
DELIVERY_STATE_UNSPECIFIED: DeliveryState
r"""Not a state."""
DELIVERY_STATE_PENDING: DeliveryState
r"""It will be tried again."""
DELIVERY_STATE_SUCCEEDED: DeliveryState
r"""The endpoint took it."""
DELIVERY_STATE_FAILED: DeliveryState
r"""It is tried no more."""

class Webhook(_message.Message):
    r"""One endpoint, without its secret."""
    __slots__ = ("webhook_id", "name", "url", "event_types", "state", "disable_reason", "missed_count", "create_time", "update_time", "last_success_time")
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPES_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DISABLE_REASON_FIELD_NUMBER: _ClassVar[int]
    MISSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_SUCCESS_TIME_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    r"""Its id: a UUID that the server chose."""
    name: str
    r"""For people. At most 128 characters."""
    url: str
    r"""Where events are posted to: `https://`, or in sandbox also `http://`, and a
    public name or address. At most 2,048 characters.
    """
    event_types: _containers.RepeatedScalarFieldContainer[str]
    r"""Which events it is sent; all if empty. At most 13, each once."""
    state: WebhookState
    r"""Whether it is sent anything."""
    disable_reason: str
    r"""Why it is DISABLED: `requested`, `gone` (it answered 410) or `no_success`
    (every try failed for five days); else empty. At most 32 characters.
    """
    missed_count: int
    r"""How many events were dropped that it should have had."""
    create_time: _timestamp_pb2.Timestamp
    r"""When it was created."""
    update_time: _timestamp_pb2.Timestamp
    r"""When it or its state last changed."""
    last_success_time: _timestamp_pb2.Timestamp
    r"""When it last took an event; unset if it never did."""
    def __init__(self, webhook_id: _Optional[str] = ..., name: _Optional[str] = ..., url: _Optional[str] = ..., event_types: _Optional[_Iterable[str]] = ..., state: _Optional[_Union[WebhookState, str]] = ..., disable_reason: _Optional[str] = ..., missed_count: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_success_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class DeliveryAttempt(_message.Message):
    r"""One try to deliver."""
    __slots__ = ("time", "duration", "status", "error")
    TIME_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    r"""When it began."""
    duration: _duration_pb2.Duration
    r"""How long it took."""
    status: int
    r"""The HTTP status of the answer; 0 if none came."""
    error: str
    r"""Why it failed; empty if it did not. At most 256 characters."""
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., duration: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., status: _Optional[int] = ..., error: _Optional[str] = ...) -> None: ...

class Delivery(_message.Message):
    r"""An event that one endpoint did not take at once, or that was asked for."""
    __slots__ = ("delivery_id", "webhook_id", "event_type", "state", "attempt_count", "attempts", "event_time", "next_attempt_time", "end_time", "body")
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_COUNT_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    EVENT_TIME_FIELD_NUMBER: _ClassVar[int]
    NEXT_ATTEMPT_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    delivery_id: str
    r"""The `webhook-id` of its requests. At most 128 characters."""
    webhook_id: str
    r"""The endpoint: a UUID."""
    event_type: str
    r"""The type of the event. At most 64 characters."""
    state: DeliveryState
    r"""What became of it."""
    attempt_count: int
    r"""How often it was tried."""
    attempts: _containers.RepeatedCompositeFieldContainer[DeliveryAttempt]
    r"""The last tries, in order. At most 10."""
    event_time: _timestamp_pb2.Timestamp
    r"""When the event was committed."""
    next_attempt_time: _timestamp_pb2.Timestamp
    r"""When it is tried again; unset once it has ended."""
    end_time: _timestamp_pb2.Timestamp
    r"""When it ended; unset while it is PENDING."""
    body: str
    r"""What is sent, as it is sent. At most 20,000 characters."""
    def __init__(self, delivery_id: _Optional[str] = ..., webhook_id: _Optional[str] = ..., event_type: _Optional[str] = ..., state: _Optional[_Union[DeliveryState, str]] = ..., attempt_count: _Optional[int] = ..., attempts: _Optional[_Iterable[_Union[DeliveryAttempt, _Mapping]]] = ..., event_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_attempt_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., body: _Optional[str] = ...) -> None: ...

class CreateWebhookRequest(_message.Message):
    r"""Describes one new endpoint."""
    __slots__ = ("name", "url", "event_types")
    NAME_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    EVENT_TYPES_FIELD_NUMBER: _ClassVar[int]
    name: str
    r"""For people. At most 128 characters."""
    url: str
    r"""Where events are posted to: `https://`, or in sandbox also `http://`, and a
    public name or address, without user and password. Ports below 1024 other
    than 80 and 443 are INVALID_ARGUMENT. At most 2,048 characters.
    """
    event_types: _containers.RepeatedScalarFieldContainer[str]
    r"""Which events it is sent; all if empty. An unknown one is INVALID_ARGUMENT.
    At most 13, each once.
    """
    def __init__(self, name: _Optional[str] = ..., url: _Optional[str] = ..., event_types: _Optional[_Iterable[str]] = ...) -> None: ...

class CreateWebhookResponse(_message.Message):
    r"""The answer to CreateWebhook."""
    __slots__ = ("webhook", "secret")
    WEBHOOK_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    webhook: Webhook
    r"""The endpoint."""
    secret: str
    r"""With what its requests are signed: `whsec_` and 32 bytes in base64. It cannot
    be read again. At most 128 characters.
    """
    def __init__(self, webhook: _Optional[_Union[Webhook, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class GetWebhookRequest(_message.Message):
    r"""Names one endpoint."""
    __slots__ = ("webhook_id",)
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    r"""The endpoint: a UUID."""
    def __init__(self, webhook_id: _Optional[str] = ...) -> None: ...

class GetWebhookResponse(_message.Message):
    r"""The answer to GetWebhook."""
    __slots__ = ("webhook",)
    WEBHOOK_FIELD_NUMBER: _ClassVar[int]
    webhook: Webhook
    r"""The endpoint."""
    def __init__(self, webhook: _Optional[_Union[Webhook, _Mapping]] = ...) -> None: ...

class ListWebhooksRequest(_message.Message):
    r"""Asks for endpoints."""
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    r"""How many to answer at most: 50 if 0; over 1000 means 1000; negative is
    INVALID_ARGUMENT.
    """
    page_token: str
    r"""The `next_page_token` of the page before. At most 128 characters."""
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListWebhooksResponse(_message.Message):
    r"""One page of endpoints."""
    __slots__ = ("webhooks", "next_page_token")
    WEBHOOKS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    webhooks: _containers.RepeatedCompositeFieldContainer[Webhook]
    r"""The endpoints, oldest first. At most 100."""
    next_page_token: str
    r"""Passed as `page_token` it gives the next page; empty on the last one. At
    most 128 characters.
    """
    def __init__(self, webhooks: _Optional[_Iterable[_Union[Webhook, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class UpdateWebhookRequest(_message.Message):
    r"""Says what to change of an endpoint."""
    __slots__ = ("webhook", "update_mask")
    WEBHOOK_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    webhook: Webhook
    r"""The endpoint, by its webhook_id, with the new values."""
    update_mask: _field_mask_pb2.FieldMask
    r"""What to change: name, url, event_types, state. An empty or unknown one is
    INVALID_ARGUMENT. At most 100 paths, each once, of at most 128 characters.
    """
    def __init__(self, webhook: _Optional[_Union[Webhook, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ...) -> None: ...

class UpdateWebhookResponse(_message.Message):
    r"""The answer to UpdateWebhook."""
    __slots__ = ("webhook",)
    WEBHOOK_FIELD_NUMBER: _ClassVar[int]
    webhook: Webhook
    r"""The endpoint as it is now."""
    def __init__(self, webhook: _Optional[_Union[Webhook, _Mapping]] = ...) -> None: ...

class DeleteWebhookRequest(_message.Message):
    r"""Names one endpoint to be removed."""
    __slots__ = ("webhook_id",)
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    r"""The endpoint: a UUID."""
    def __init__(self, webhook_id: _Optional[str] = ...) -> None: ...

class DeleteWebhookResponse(_message.Message):
    r"""The answer to DeleteWebhook."""
    __slots__ = ()
    def __init__(self) -> None: ...

class RotateSecretRequest(_message.Message):
    r"""Names one endpoint that is to have a new secret."""
    __slots__ = ("webhook_id", "overlap")
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    r"""The endpoint: a UUID."""
    overlap: _duration_pb2.Duration
    r"""How long the secret before it signs, too: 24 h if absent, 0 to 30 days."""
    def __init__(self, webhook_id: _Optional[str] = ..., overlap: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RotateSecretResponse(_message.Message):
    r"""The answer to RotateSecret."""
    __slots__ = ("webhook", "secret")
    WEBHOOK_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    webhook: Webhook
    r"""The endpoint."""
    secret: str
    r"""The new secret. It cannot be read again. At most 128 characters."""
    def __init__(self, webhook: _Optional[_Union[Webhook, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class ListDeliveriesRequest(_message.Message):
    r"""Asks for deliveries of one endpoint."""
    __slots__ = ("webhook_id", "state", "page_size", "page_token")
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    r"""The endpoint: a UUID."""
    state: DeliveryState
    r"""Of which state; all if unspecified."""
    page_size: int
    r"""How many to answer at most: 50 if 0; over 100 means 100; negative is
    INVALID_ARGUMENT.
    """
    page_token: str
    r"""The `next_page_token` of the page before. At most 128 characters."""
    def __init__(self, webhook_id: _Optional[str] = ..., state: _Optional[_Union[DeliveryState, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListDeliveriesResponse(_message.Message):
    r"""One page of deliveries."""
    __slots__ = ("deliveries", "next_page_token")
    DELIVERIES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    deliveries: _containers.RepeatedCompositeFieldContainer[Delivery]
    r"""The deliveries, newest event first. At most 100."""
    next_page_token: str
    r"""Passed as `page_token` it gives the next page; empty on the last one. At
    most 128 characters.
    """
    def __init__(self, deliveries: _Optional[_Iterable[_Union[Delivery, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RedeliverRequest(_message.Message):
    r"""Names one event to be sent again."""
    __slots__ = ("webhook_id", "delivery_id")
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    DELIVERY_ID_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    r"""The endpoint: a UUID."""
    delivery_id: str
    r"""The `webhook-id` of the event. At most 128 characters."""
    def __init__(self, webhook_id: _Optional[str] = ..., delivery_id: _Optional[str] = ...) -> None: ...

class RedeliverResponse(_message.Message):
    r"""The answer to Redeliver."""
    __slots__ = ("delivery",)
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    delivery: Delivery
    r"""The delivery, PENDING."""
    def __init__(self, delivery: _Optional[_Union[Delivery, _Mapping]] = ...) -> None: ...

class SendTestRequest(_message.Message):
    r"""Names one endpoint to be tested."""
    __slots__ = ("webhook_id",)
    WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
    webhook_id: str
    r"""The endpoint: a UUID."""
    def __init__(self, webhook_id: _Optional[str] = ...) -> None: ...

class SendTestResponse(_message.Message):
    r"""The answer to SendTest."""
    __slots__ = ("delivery",)
    DELIVERY_FIELD_NUMBER: _ClassVar[int]
    delivery: Delivery
    r"""The delivery, PENDING."""
    def __init__(self, delivery: _Optional[_Union[Delivery, _Mapping]] = ...) -> None: ...
