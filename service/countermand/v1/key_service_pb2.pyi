import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Key(_message.Message):
    r"""One API key, without its secret."""
    __slots__ = ("key_id", "tenant", "environment", "scopes", "create_time", "expire_time", "revoke_time", "last_use_time", "limits", "successor_key_id", "name", "created_by", "revoked_by")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    REVOKE_TIME_FIELD_NUMBER: _ClassVar[int]
    LAST_USE_TIME_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    SUCCESSOR_KEY_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    REVOKED_BY_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    r"""The public part of the key. It is 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    tenant: str
    r"""Whose the key is. It is 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    environment: str
    r"""`sandbox` or `production`."""
    scopes: _containers.RepeatedScalarFieldContainer[str]
    r"""What the key may do. At most 12, each once."""
    create_time: _timestamp_pb2.Timestamp
    r"""When the key was created."""
    expire_time: _timestamp_pb2.Timestamp
    r"""From when on the key is refused; unset if it does not expire."""
    revoke_time: _timestamp_pb2.Timestamp
    r"""When the key was revoked; unset if it was not."""
    last_use_time: _timestamp_pb2.Timestamp
    r"""When a call was last let in with the key; unset if none was. A watch counts
    when it is opened. It is written down once a minute, so after a crash of the
    server it may be a minute behind.
    """
    limits: KeyLimits
    r"""How much may be asked for with the key; unset if there are no limits."""
    successor_key_id: str
    r"""The key that replaces this one; empty if it was not rotated. It is 1 to
    128 of `A-Z a-z 0-9 . _ : -`.
    """
    name: str
    r"""What people call the key, as whoever created it said. A key that replaces
    another has its name. At most 128 characters.
    """
    created_by: str
    r"""The key that created or rotated it: 1 to 128 of `A-Z a-z 0-9 . _ : -`. It is
    `system:start` for the first key of a store, and `system:store` for one that
    was made on a store without a server. Empty for a key that is older than this
    field.
    """
    revoked_by: str
    r"""The key that revoked it, likewise: 1 to 128 of `A-Z a-z 0-9 . _ : -`. Empty
    if it was not revoked, or was before this was kept.
    """
    def __init__(self, key_id: _Optional[str] = ..., tenant: _Optional[str] = ..., environment: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., revoke_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_use_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limits: _Optional[_Union[KeyLimits, _Mapping]] = ..., successor_key_id: _Optional[str] = ..., name: _Optional[str] = ..., created_by: _Optional[str] = ..., revoked_by: _Optional[str] = ...) -> None: ...

class KeyLimits(_message.Message):
    r"""How much may be asked for with one key. Each limit is a whole number from 0
    to 1,000,000, and 0 means that there is none: by default a key has none.

    What is above a limit is RESOURCE_EXHAUSTED, with a RetryInfo: `RATE_LIMITED`,
    or `TOO_MANY_WATCHERS` of open watches. A limit per second lets as many calls
    come at once as it allows in one second, after a second without any. Then the
    RetryInfo says exactly when there is room for the next. Calls above it do not
    count. A call that moves or makes much counts for more: each 128 KiB of its
    request and answer together, and each 50 tasks that it creates, is one more
    call. It is not refused for that; the calls after it wait, for at most 5
    minutes. A key that is refused more often than its limit, and than 20 times per
    second, waits up to a second for each further refusal, but for no more than
    half of what is left of its deadline. A key that was rotated and its successors
    have each limit once, for all of them together.
    """
    __slots__ = ("writes_per_second", "reads_per_second", "watches_per_second", "open_watches")
    WRITES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    READS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    WATCHES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    OPEN_WATCHES_FIELD_NUMBER: _ClassVar[int]
    writes_per_second: int
    r"""How many calls per second may change something; also those that turn out to
    change nothing, such as a repeat or a call with `validate_only`. A Heartbeat
    is one.
    """
    reads_per_second: int
    r"""How many calls per second may read: Get, List and Summarize."""
    watches_per_second: int
    r"""How many watches may be opened per second."""
    open_watches: int
    r"""How many watches may be open at once."""
    def __init__(self, writes_per_second: _Optional[int] = ..., reads_per_second: _Optional[int] = ..., watches_per_second: _Optional[int] = ..., open_watches: _Optional[int] = ...) -> None: ...

class CreateKeyRequest(_message.Message):
    r"""Describes one new key."""
    __slots__ = ("tenant", "environment", "scopes", "expire_time", "limits", "name")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    ENVIRONMENT_FIELD_NUMBER: _ClassVar[int]
    SCOPES_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    r"""Whose the key is: 1 to 128 of `A-Z a-z 0-9 . _ : -`."""
    environment: str
    r"""`sandbox` or `production`."""
    scopes: _containers.RepeatedScalarFieldContainer[str]
    r"""What the key may do, at least one of: `tasks:read`, `tasks:write`
    (create), `tasks:run` (agents), `tasks:cancel`, `checkouts:read`,
    `checkouts:write` (CancelCheckout too), `orders:read`, `orders:write`
    (CancelOrder too), `webhooks:write`, `refunds:write`, `operator:read`
    (OperatorService, for every tenant), `keys:admin`. At most 12, each once.
    """
    expire_time: _timestamp_pb2.Timestamp
    r"""From when on the key is refused; it does not expire if absent. The past is
    INVALID_ARGUMENT.
    """
    limits: KeyLimits
    r"""How much may be asked for with the key; there are no limits if absent."""
    name: str
    r"""What people call the key; need not be unique. At most 128 characters."""
    def __init__(self, tenant: _Optional[str] = ..., environment: _Optional[str] = ..., scopes: _Optional[_Iterable[str]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., limits: _Optional[_Union[KeyLimits, _Mapping]] = ..., name: _Optional[str] = ...) -> None: ...

class CreateKeyResponse(_message.Message):
    r"""The answer to CreateKey."""
    __slots__ = ("key", "secret")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    key: Key
    r"""The key."""
    secret: str
    r"""What the caller sends in the metadata. It cannot be read again. At most
    128 characters.
    """
    def __init__(self, key: _Optional[_Union[Key, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...

class ListKeysRequest(_message.Message):
    r"""Asks for keys."""
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

class ListKeysResponse(_message.Message):
    r"""One page of keys."""
    __slots__ = ("keys", "next_page_token")
    KEYS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedCompositeFieldContainer[Key]
    r"""The keys, newest first. At most 1,000."""
    next_page_token: str
    r"""Passed as `page_token` it gives the next page; empty on the last one. At
    most 128 characters.
    """
    def __init__(self, keys: _Optional[_Iterable[_Union[Key, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class RevokeKeyRequest(_message.Message):
    r"""Names one key."""
    __slots__ = ("key_id",)
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    r"""The public part of the key; the key itself is INVALID_ARGUMENT. It is 1 to
    128 of `A-Z a-z 0-9 . _ : -`.
    """
    def __init__(self, key_id: _Optional[str] = ...) -> None: ...

class RevokeKeyResponse(_message.Message):
    r"""The answer to RevokeKey."""
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: Key
    r"""The key, revoked."""
    def __init__(self, key: _Optional[_Union[Key, _Mapping]] = ...) -> None: ...

class RotateKeyRequest(_message.Message):
    r"""Names one key to be replaced."""
    __slots__ = ("key_id", "overlap")
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    r"""The public part of the key; the key itself is INVALID_ARGUMENT. It is 1 to
    128 of `A-Z a-z 0-9 . _ : -`.
    """
    overlap: _duration_pb2.Duration
    r"""How long the old key is still accepted: 24 h if absent, 0 to 30 days."""
    def __init__(self, key_id: _Optional[str] = ..., overlap: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class RotateKeyResponse(_message.Message):
    r"""The answer to RotateKey."""
    __slots__ = ("key", "secret")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    key: Key
    r"""The new key."""
    secret: str
    r"""What the caller sends in the metadata. It cannot be read again. At most
    128 characters.
    """
    def __init__(self, key: _Optional[_Union[Key, _Mapping]] = ..., secret: _Optional[str] = ...) -> None: ...
