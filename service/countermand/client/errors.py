"""What a caller sees when a call is refused, or does not reach a server."""

from typing import Self

import grpc
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

DOMAIN = "countermand"
_DETAILS_KEY = "grpc-status-details-bin"


class CountermandError(Exception):
    """A call that failed.

    After UNAVAILABLE and DEADLINE_EXCEEDED it is open whether a write was accepted; every other
    code with a reason means that nothing was changed.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        reason: str,
        message: str,
        metadata: dict[str, str] | None = None,
        retry_delay: float | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(code, reason, message, metadata, retry_delay, attempts)
        self.code = code
        self.reason = reason
        """The stable word to match on; empty if the error was not made by Countermand."""
        self.message = message
        """A sentence for people; never match on it."""
        self.metadata = metadata or {}
        """What belongs to the reason, for example the `state` of a task that has ended."""
        self.retry_delay = retry_delay
        """How many seconds the server asks to wait before another try, if it said so."""
        self.attempts = attempts
        """How many times the call was sent."""

    def __str__(self) -> str:
        return f"{self.reason or self.code.name}: {self.message}"

    @classmethod
    def from_rpc(cls, error: grpc.aio.AioRpcError, attempts: int = 1) -> Self:
        """Returns what a gRPC error says, with the details of google.rpc if it carries them."""
        reason, metadata, retry_delay = "", {}, None
        for detail in _status(error).details:
            info, retry = ErrorInfo(), RetryInfo()
            if detail.Unpack(info) and info.domain == DOMAIN:
                reason, metadata = info.reason, dict(info.metadata)
            elif detail.Unpack(retry):
                retry_delay = retry.retry_delay.ToTimedelta().total_seconds()
        return cls(error.code(), reason, error.details() or "", metadata, retry_delay, attempts)


def _status(error: grpc.aio.AioRpcError) -> Status:
    """The google.rpc.Status of the error; an empty one if it has none that can be read.

    grpc_status would raise where a proxy changed the text or the code beside the details.
    """
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_KEY and isinstance(value, bytes):
            try:
                return Status.FromString(value)
            except DecodeError:
                break
    return Status()
