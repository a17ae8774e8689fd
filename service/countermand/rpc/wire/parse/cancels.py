"""Cancels, and the choosing of cancellations."""

from typing import Any, TypeVar

from countermand.core import commands as c
from countermand.core.caller import Caller
from countermand.core.records import DEFAULT_GRACE, Target
from countermand.core.states import CancellationState, SummaryKey, TargetKind
from countermand.rpc.wire.enums import CANCELLATION_STATES, SUMMARY_KEYS, by_number
from countermand.rpc.wire.form import HOUR, Form
from countermand.v1 import cancellation_service_pb2 as pb

Cancelling = TypeVar("Cancelling", bound=c.Cancel)
CancelRequest = (
    pb.CancelTaskRequest | pb.CancelGroupRequest | pb.CancelCheckoutRequest | pb.CancelOrderRequest
)

STATES = by_number(CANCELLATION_STATES)
KEYS = by_number(SUMMARY_KEYS)
TARGETS = {f"{kind.lower()}_id": kind for kind in TargetKind}
"""What each field names."""


def parse_cancel(
    kind: type[Cancelling],
    target_field: str,
    request: CancelRequest,
    *,
    namespace: int,
    caller: Caller,
    **own: Any,
) -> Cancelling:
    """Reads any cancel: the common fields have the same names in all of them.

    `own` is what this kind alone needs, and no request says.
    """
    form = Form()
    allow_missing = isinstance(request, pb.CancelTaskRequest) and request.allow_missing
    if allow_missing and request.HasField("expected_version"):
        form.reject("expected_version", "must be absent when allow_missing is set")
    command = kind(
        namespace=namespace,
        target_id=_id(form, target_field, getattr(request, target_field)),
        reason=form.text("reason", request.reason, 128),
        message=form.text("message", request.message, 500),
        request_id=form.optional_uuid("request_id", request.request_id),
        grace_period=form.span("grace_period", request, DEFAULT_GRACE, least=0, most=HOUR),
        expected_version=(
            request.expected_version if request.HasField("expected_version") else None
        ),
        validate_only=request.validate_only,
        on_behalf_of=form.text("on_behalf_of", request.on_behalf_of, 256),
        caller=caller,
        by_cart=target_field == "cart_id",
        allow_missing=allow_missing,
        **own,
    )
    form.check()
    return command


def _id(form: Form, field: str, text: str) -> str:
    return form.uuid(field, text) if field in ("task_id", "group_id") else form.name(field, text)


def parse_covered(
    form: Form, request: pb.ListCancellationsRequest, namespace: int
) -> Target | None:
    """Reads whose cancellations are chosen; None means any."""
    found = None
    for field, kind in TARGETS.items():
        if not request.HasField(field):
            continue
        if found is not None:
            form.reject(field, f"must be absent when {found.kind.lower()}_id is set")
            continue
        found = Target(kind, namespace, _id(form, field, getattr(request, field)))
    return found


def parse_cancellation_state(form: Form, number: int) -> CancellationState | None:
    """Reads which state is chosen; unspecified means any."""
    state = STATES.get(number)
    if number and state is None:
        form.reject("state", "is not a state of a cancellation")
    return state


def parse_summary_key(form: Form, number: int) -> SummaryKey:
    """Reads by what to count."""
    key = KEYS.get(number)
    if key is None:
        form.reject("group_by", "must be REASON, STATE, PROOF or REFUND")
    return key or SummaryKey.REASON
