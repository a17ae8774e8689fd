"""What is asked about keys."""

from collections.abc import Sequence

from countermand.core.ids import ENVIRONMENTS, SCOPES
from countermand.core.keys import KeyLimits, NewKey
from countermand.engine.key_secrets import PREFIX
from countermand.rpc.wire.form import DAY, Form
from countermand.v1 import key_service_pb2 as pb

HIGHEST_LIMIT = 1_000_000
DEFAULT_OVERLAP = DAY
LONGEST_OVERLAP = 30 * DAY


def parse_create_key(request: pb.CreateKeyRequest, now: int) -> NewKey:
    """Reads a new key."""
    form = Form()
    new = NewKey(
        tenant=form.name("tenant", request.tenant),
        environment=request.environment,
        scopes=_scopes(form, request.scopes),
        expire_time=form.future("expire_time", request, now),
        limits=_limits(form, request.limits),
        name=form.text("name", request.name, 128),
    )
    if new.environment not in ENVIRONMENTS:
        form.reject("environment", f"must be one of {', '.join(ENVIRONMENTS)}")
    form.check()
    return new


def parse_revoke_key(request: pb.RevokeKeyRequest) -> str:
    """Reads which key to revoke."""
    form = Form()
    key_id = _key_id(form, request)
    form.check()
    return key_id


def parse_rotate_key(request: pb.RotateKeyRequest) -> tuple[str, int]:
    """Reads which key to replace, and for how long it is still accepted."""
    form = Form()
    key_id = _key_id(form, request)
    overlap = form.span("overlap", request, DEFAULT_OVERLAP, least=0, most=LONGEST_OVERLAP)
    form.check()
    return key_id, overlap


def _key_id(form: Form, request: pb.RevokeKeyRequest | pb.RotateKeyRequest) -> str:
    if request.key_id.startswith(f"{PREFIX}_"):
        # What is not found is repeated in the answer, and a key must not be.
        form.reject("key_id", "must be the id of a key, not the key itself")
        return ""
    return form.name("key_id", request.key_id)


def _scopes(form: Form, scopes: Sequence[str]) -> tuple[str, ...]:
    known = set(scopes) & set(SCOPES)
    if not scopes or len(known) < len(scopes):
        form.reject("scopes", f"must be one or more, and different ones, of {', '.join(SCOPES)}")
    return tuple(scopes)


def _limits(form: Form, limits: pb.KeyLimits) -> KeyLimits:
    found = KeyLimits(*(getattr(limits, name) for name in KeyLimits._fields))
    for name, limit in found._asdict().items():
        if not 0 <= limit <= HIGHEST_LIMIT:
            form.reject(f"limits.{name}", f"must be 0 to {HIGHEST_LIMIT}")
    return found
