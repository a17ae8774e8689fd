"""What a refused call carries, checked against the API's table each time that one is read."""

import re
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from grpc import StatusCode

# The table of the API, written down once more: the product's own must agree with it.
REASONS = {
    StatusCode.UNAUTHENTICATED: {"API_KEY_MISSING", "API_KEY_INVALID"},
    StatusCode.PERMISSION_DENIED: {"SCOPE_MISSING"},
    StatusCode.INVALID_ARGUMENT: {
        "INVALID_REQUEST",
        "TOO_MANY_TASKS",
        "RESUME_TOKEN_INVALID",
        "PAGE_TOKEN_INVALID",
    },
    StatusCode.NOT_FOUND: {
        "TASK_NOT_FOUND",
        "GROUP_NOT_FOUND",
        "CHECKOUT_NOT_FOUND",
        "CART_NOT_FOUND",
        "ORDER_NOT_FOUND",
        "CANCELLATION_NOT_FOUND",
        "KEY_NOT_FOUND",
        "WEBHOOK_NOT_FOUND",
        "DELIVERY_NOT_FOUND",
    },
    StatusCode.ALREADY_EXISTS: {
        "TASK_EXISTS",
        "GROUP_EXISTS",
        "CHECKOUT_EXISTS",
        "ORDER_EXISTS",
        "REQUEST_ID_CONFLICT",
    },
    StatusCode.FAILED_PRECONDITION: {
        "REFUND_NOT_REQUIRED",
        "REFUND_ALREADY_SETTLED",
        "TOO_MANY_CHANGES",
        "TOO_MANY_ORDERS",
        "TASK_ALREADY_COMPLETED",
        "TASK_ALREADY_FAILED",
        "TASK_ALREADY_CANCELLED",
        "TASK_NOT_PENDING",
        "TASK_NOT_RUNNING",
        "CANCELLATION_REQUESTED",
        "NOT_CANCELLING",
        "GROUP_CLOSED",
        "CHECKOUT_ALREADY_COMPLETED",
        "CHECKOUT_ALREADY_CANCELLED",
        "CART_CLOSED",
        "CART_LOCKED",
        "CART_NOT_LOCKED",
        "ORDER_ALREADY_CANCELLED",
        "ORDER_FULFILLED",
        "ORDER_CLOSED",
    },
    StatusCode.ABORTED: {"VERSION_MISMATCH", "FENCED"},
    StatusCode.OUT_OF_RANGE: {"VERSION_AHEAD", "VERSION_EXPIRED", "RESUME_TOKEN_EXPIRED"},
    StatusCode.RESOURCE_EXHAUSTED: {
        "RATE_LIMITED",
        "TOO_MANY_WEBHOOKS",
        "TOO_MANY_WATCHERS",
        "WATCHER_TOO_SLOW",
        "STORE_FULL",
    },
    StatusCode.UNAVAILABLE: {"STORE_UNAVAILABLE", "DRAINING"},
    StatusCode.INTERNAL: {"INTERNAL"},
}
CODES = {reason: code for code, reasons in REASONS.items() for reason in reasons}
RETRIABLE = REASONS[StatusCode.RESOURCE_EXHAUSTED] | REASONS[StatusCode.UNAVAILABLE]

_INNER_TEXT = re.compile(rb"Traceback|<class|\.py\b|sqlite|[a-z](Error|Exception)\b", re.IGNORECASE)


@dataclass
class Refusal:
    """A status with its details."""

    code: StatusCode
    message: str
    reason: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    """What BadRequest says of each field."""
    resource: tuple[str, str] | None = None
    retry_seconds: float | None = None


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    """Reads a refusal of ours, and holds it to what the API says of all of them."""
    trailers: dict[str, Any] = dict(error.trailing_metadata() or ())
    raw = trailers.get("grpc-status-details-bin")
    assert raw is not None, f"{error.code()} without details: {error.details()}"
    status = Status.FromString(raw)
    found = Refusal(error.code(), error.details() or "")
    assert status.code == found.code.value[0]
    assert status.message == found.message
    assert found.message
    assert not _INNER_TEXT.search(raw), raw
    _read_details(status, found)
    _check_kinds(status, found)
    pushback = trailers.get("grpc-retry-pushback-ms")
    assert (None if pushback is None else int(pushback) / 1000) == found.retry_seconds
    return found


def _read_details(status: Status, found: Refusal) -> None:
    for packed in status.details:
        kind = packed.TypeName().removeprefix("google.rpc.")
        detail = getattr(details, kind)()
        assert packed.Unpack(detail)
        match detail:
            case details.ErrorInfo():
                assert detail.domain == "countermand"
                found.reason = detail.reason
                found.metadata = dict(detail.metadata)
            case details.BadRequest():
                for violation in detail.field_violations:
                    assert violation.field
                    assert violation.description
                    assert violation.field not in found.fields
                    found.fields[violation.field] = violation.description
            case details.PreconditionFailure():
                (violation,) = detail.violations
                assert violation.type == found.reason
                assert violation.subject
                assert violation.description
            case details.ResourceInfo():
                found.resource = (detail.resource_type, detail.resource_name)
            case details.RetryInfo():
                found.retry_seconds = detail.retry_delay.ToTimedelta().total_seconds()
                assert found.retry_seconds > 0


def _check_kinds(status: Status, found: Refusal) -> None:
    kinds = {packed.TypeName().removeprefix("google.rpc.") for packed in status.details}
    expected = {"ErrorInfo"}
    extra = {
        StatusCode.INVALID_ARGUMENT: "BadRequest",
        StatusCode.FAILED_PRECONDITION: "PreconditionFailure",
        StatusCode.NOT_FOUND: "ResourceInfo",
    }
    if found.code in extra:
        expected.add(extra[found.code])
    if found.reason in RETRIABLE:
        expected.add("RetryInfo")
    assert kinds == expected
    assert len(status.details) == len(kinds)
    assert CODES[found.reason] is found.code
    if found.code is StatusCode.INVALID_ARGUMENT:
        assert found.fields


async def refused(call: Awaitable[Any], reason: str) -> Refusal:
    """Awaits a call that must be refused with this reason. Returns all that the refusal says."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    found = refusal_of(caught.value)
    assert found.reason == reason, found
    return found
