"""The one table from why a call is refused to what goes on the wire."""

from typing import NamedTuple

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from countermand.core.errors import Reason, Refused

DOMAIN = "countermand"
INTERNAL_SENTENCE = "an internal error; it was logged, and may be tried again"


class Answer(NamedTuple):
    """The code of a refusal, and when to try again, in seconds; None if that cannot help."""

    code: StatusCode
    retry_after: float | None = None


ANSWERS: dict[Reason, Answer] = {
    Reason.API_KEY_MISSING: Answer(StatusCode.UNAUTHENTICATED),
    Reason.API_KEY_INVALID: Answer(StatusCode.UNAUTHENTICATED),
    Reason.SCOPE_MISSING: Answer(StatusCode.PERMISSION_DENIED),
    Reason.INVALID_REQUEST: Answer(StatusCode.INVALID_ARGUMENT),
    Reason.TOO_MANY_TASKS: Answer(StatusCode.INVALID_ARGUMENT),
    Reason.RESUME_TOKEN_INVALID: Answer(StatusCode.INVALID_ARGUMENT),
    Reason.PAGE_TOKEN_INVALID: Answer(StatusCode.INVALID_ARGUMENT),
    Reason.TASK_NOT_FOUND: Answer(StatusCode.NOT_FOUND),
    Reason.GROUP_NOT_FOUND: Answer(StatusCode.NOT_FOUND),
    Reason.CHECKOUT_NOT_FOUND: Answer(StatusCode.NOT_FOUND),
    Reason.CART_NOT_FOUND: Answer(StatusCode.NOT_FOUND),
    Reason.ORDER_NOT_FOUND: Answer(StatusCode.NOT_FOUND),
    Reason.CANCELLATION_NOT_FOUND: Answer(StatusCode.NOT_FOUND),
    Reason.KEY_NOT_FOUND: Answer(StatusCode.NOT_FOUND),
    Reason.WEBHOOK_NOT_FOUND: Answer(StatusCode.NOT_FOUND),
    Reason.DELIVERY_NOT_FOUND: Answer(StatusCode.NOT_FOUND),
    Reason.TASK_EXISTS: Answer(StatusCode.ALREADY_EXISTS),
    Reason.GROUP_EXISTS: Answer(StatusCode.ALREADY_EXISTS),
    Reason.CHECKOUT_EXISTS: Answer(StatusCode.ALREADY_EXISTS),
    Reason.ORDER_EXISTS: Answer(StatusCode.ALREADY_EXISTS),
    Reason.REQUEST_ID_CONFLICT: Answer(StatusCode.ALREADY_EXISTS),
    Reason.REFUND_NOT_REQUIRED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.REFUND_ALREADY_SETTLED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.TOO_MANY_CHANGES: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.TOO_MANY_ORDERS: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.TASK_ALREADY_COMPLETED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.TASK_ALREADY_FAILED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.TASK_ALREADY_CANCELLED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.TASK_NOT_PENDING: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.TASK_NOT_RUNNING: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.CANCELLATION_REQUESTED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.NOT_CANCELLING: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.GROUP_CLOSED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.CHECKOUT_ALREADY_COMPLETED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.CHECKOUT_ALREADY_CANCELLED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.CART_CLOSED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.CART_LOCKED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.CART_NOT_LOCKED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.ORDER_ALREADY_CANCELLED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.ORDER_FULFILLED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.ORDER_CLOSED: Answer(StatusCode.FAILED_PRECONDITION),
    Reason.VERSION_MISMATCH: Answer(StatusCode.ABORTED),
    Reason.FENCED: Answer(StatusCode.ABORTED),
    Reason.VERSION_EXPIRED: Answer(StatusCode.OUT_OF_RANGE),
    Reason.VERSION_AHEAD: Answer(StatusCode.OUT_OF_RANGE),
    Reason.RESUME_TOKEN_EXPIRED: Answer(StatusCode.OUT_OF_RANGE),
    Reason.RATE_LIMITED: Answer(StatusCode.RESOURCE_EXHAUSTED, retry_after=1.0),
    Reason.TOO_MANY_WEBHOOKS: Answer(StatusCode.RESOURCE_EXHAUSTED, retry_after=10.0),
    Reason.TOO_MANY_WATCHERS: Answer(StatusCode.RESOURCE_EXHAUSTED, retry_after=1.0),
    Reason.WATCHER_TOO_SLOW: Answer(StatusCode.RESOURCE_EXHAUSTED, retry_after=1.0),
    Reason.STORE_FULL: Answer(StatusCode.RESOURCE_EXHAUSTED, retry_after=10.0),
    Reason.STORE_UNAVAILABLE: Answer(StatusCode.UNAVAILABLE, retry_after=0.5),
    Reason.DRAINING: Answer(StatusCode.UNAVAILABLE, retry_after=0.5),
    Reason.INTERNAL: Answer(StatusCode.INTERNAL),
}


class Rendered(NamedTuple):
    """A refusal as gRPC takes it."""

    code: StatusCode
    message: str
    trailers: tuple[tuple[str, str | bytes], ...]


def render(refusal: Refused) -> Rendered:
    """Returns the status of a refusal, with its google.rpc details."""
    answer = ANSWERS[refusal.reason]
    if refusal.retry_after is not None:
        answer = answer._replace(retry_after=refusal.retry_after)
    internal = refusal.reason is Reason.INTERNAL
    message = INTERNAL_SENTENCE if internal else refusal.message
    status = Status(code=answer.code.value[0], message=message)
    for detail in _details(refusal, answer, message):
        status.details.add().Pack(detail)
    trailers: list[tuple[str, str | bytes]] = [
        ("grpc-status-details-bin", status.SerializeToString())
    ]
    if answer.retry_after is not None:
        trailers.append(("grpc-retry-pushback-ms", str(_milliseconds(answer.retry_after))))
    return Rendered(answer.code, message, tuple(trailers))


def _details(refusal: Refused, answer: Answer, message: str) -> list[Message]:
    info = details.ErrorInfo(reason=refusal.reason, domain=DOMAIN, metadata=refusal.metadata)
    found: list[Message] = [info]
    if answer.code is StatusCode.INVALID_ARGUMENT:
        violations = [
            details.BadRequest.FieldViolation(field=field, description=description)
            for field, description in refusal.violations
        ]
        found.append(details.BadRequest(field_violations=violations))
    if answer.code is StatusCode.FAILED_PRECONDITION:
        violation = details.PreconditionFailure.Violation(
            type=refusal.reason, subject=_subject(refusal), description=message
        )
        found.append(details.PreconditionFailure(violations=[violation]))
    if answer.code is StatusCode.NOT_FOUND and refusal.resource is not None:
        kind, name = refusal.resource
        found.append(
            details.ResourceInfo(resource_type=kind, resource_name=name, description=message)
        )
    if answer.retry_after is not None:
        delay = Duration()
        delay.FromMilliseconds(_milliseconds(answer.retry_after))
        found.append(details.RetryInfo(retry_delay=delay))
    return found


def _milliseconds(seconds: float) -> int:
    """Returns what the details and the trailer say alike."""
    return round(seconds * 1000)


def _subject(refusal: Refused) -> str:
    """Returns what the refusal is about, such as `task_id/0190…`."""
    for key in ("task_id", "group_id", "checkout_id", "cart_id", "order_id"):
        if key in refusal.metadata:
            return f"{key}/{refusal.metadata[key]}"
    return ""
