"""What watchers ask."""

from typing import Any

from countermand.core.records import SECOND
from countermand.rpc.wire.form import Form
from countermand.v1 import cancellation_service_pb2 as pb

DEFAULT_HEARTBEAT = 30 * SECOND


def parse_heartbeat_interval(form: Form, request: Any) -> int:
    """Reads how long a watch may be idle, in microseconds."""
    return form.span(
        "heartbeat_interval", request, DEFAULT_HEARTBEAT, least=SECOND, most=600 * SECOND
    )


def parse_after_version(
    form: Form, request: pb.WatchTaskRequest | pb.WatchCheckoutRequest | pb.WatchOrderRequest
) -> int | None:
    """Reads the last version that a watcher has seen; None if it has seen none."""
    if not request.HasField("after_version"):
        return None
    if request.after_version < 0:
        form.reject("after_version", "must not be negative")
    return request.after_version
