"""New keys."""

from collections import Counter
from collections.abc import Sequence

from countermand.core.errors import Reason, Refused, Violation
from countermand.core.ids import ENVIRONMENTS, SCOPES, is_name
from countermand.rpc.wire.form import Form
from countermand.v1 import key_service_pb2 as pb


def parse_create_key(
    request: pb.CreateKeyRequest, now: int
) -> tuple[str, str, tuple[str, ...], int | None]:
    """Reads a new key: tenant, environment, scopes, and when it expires."""
    form = Form()
    expire_time = form.future("expire_time", request, now)
    form.check()
    check_key(request.tenant, request.environment, request.scopes)
    return request.tenant, request.environment, tuple(request.scopes), expire_time


def check_key(tenant: str, environment: str, scopes: Sequence[str]) -> None:
    """Raises Refused if no key can be like this."""
    violations = []
    if not is_name(tenant):
        violations.append(Violation("tenant", "must be 1 to 128 characters of A-Z a-z 0-9 . _ : -"))
    if environment not in ENVIRONMENTS:
        violations.append(Violation("environment", f"must be one of {', '.join(ENVIRONMENTS)}"))
    if not scopes:
        violations.append(Violation("scopes", f"must be at least one of {', '.join(SCOPES)}"))
    for scope, times in Counter(scopes).items():
        if scope not in SCOPES or times > 1:
            violations.append(Violation("scopes", f"must be different ones of {', '.join(SCOPES)}"))
            break
    if violations:
        text = "; ".join(f"{field}: {what}" for field, what in violations)
        raise Refused(Reason.INVALID_REQUEST, text, violations=tuple(violations))
