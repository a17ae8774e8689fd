"""The channels of a client: what may be sent on them, and how they are set up."""

import re
from collections.abc import Sequence
from typing import TypedDict

import grpc
import grpc.aio

from countermand.client.knobs import ClientKnobs

_MAX_PORT = 65_535
_METADATA_KEY = re.compile(r"(?!grpc-)[0-9a-z_.-]+")

Metadata = tuple[tuple[str, str | bytes], ...]


class ClientOptions(TypedDict, total=False):
    """What a client takes by name; all of it may be left out."""

    credentials: grpc.ChannelCredentials | None
    """What encrypts the connection, such as `grpc.ssl_channel_credentials(ca)`."""
    timeout: float
    """Seconds of a call with all its tries, and of the opening of a watch: 20 unless given."""
    reconnect_timeout: float
    """Seconds in which a watch that was open tries to come back: 300 unless given."""
    metadata: Sequence[tuple[str, str | bytes]]
    """What goes along with each call and watch."""
    interceptors: Sequence[grpc.aio.ClientInterceptor]
    """What stands around each try of a call, and each opening of a watch."""
    knobs: ClientKnobs | None
    """Bounds, retries and waits."""


class Lane:
    """One channel for watches, and how many it carries."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self.channel = channel
        self.watches = 0


def check_target(target: str) -> None:
    """Raises ValueError for what is no HOST:PORT."""
    if not target:
        raise ValueError("the target is HOST:PORT, and not empty")
    port = target.rpartition(":")[2]
    if port.isdecimal() and not 0 < int(port) <= _MAX_PORT:
        # gRPC would take it modulo 65536.
        raise ValueError(f"the target's port is no number from 1 to {_MAX_PORT}")


def sent_metadata(api_key: str | None, metadata: Sequence[tuple[str, str | bytes]]) -> Metadata:
    """Returns the key and the metadata as they are sent.

    Raises ValueError for what no header can carry.
    """
    if api_key and not (api_key.isascii() and api_key.isprintable()):
        raise ValueError("an API key is printable ASCII")
    for key, value in metadata:
        if not _METADATA_KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key of metadata: a-z, 0-9, `_`, `-`, `.`, not grpc-")
        if key.endswith("-bin"):
            fits = isinstance(value, bytes)
        else:
            fits = isinstance(value, str) and value.isascii() and value.isprintable()
        if not fits:
            raise ValueError(f"the value of {key} is bytes if the key ends with -bin, else ASCII")
    return (*((("x-api-key", api_key),) if api_key else ()), *metadata)


def channel_options(knobs: ClientKnobs) -> list[tuple[str, int]]:
    """Returns the options of a channel."""
    return [
        ("grpc.keepalive_time_ms", knobs.keepalive_time_ms),
        ("grpc.keepalive_timeout_ms", knobs.keepalive_timeout_ms),
        ("grpc.http2.ping_timeout_ms", knobs.ping_timeout_ms),
        ("grpc.initial_reconnect_backoff_ms", knobs.min_reconnect_ms),
        ("grpc.max_reconnect_backoff_ms", knobs.max_reconnect_ms),
        # How long one try may take, in spite of its name.
        ("grpc.min_reconnect_backoff_ms", knobs.connect_timeout_ms),
        ("grpc.max_receive_message_length", knobs.max_answer_bytes),
        # A connection of its own for each channel: equal channels would share one, and its limit.
        ("grpc.use_local_subchannel_pool", 1),
    ]
