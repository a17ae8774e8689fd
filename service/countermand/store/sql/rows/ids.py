"""Ids as rows keep them: UUIDs are bytes, the other ids are text."""

from countermand.core.records import Target
from countermand.core.states import TargetKind

_UUIDS = frozenset({TargetKind.TASK, TargetKind.GROUP})
_KINDS = {str(kind): kind for kind in TargetKind}


def uuid_bytes(text: str | None) -> bytes | None:
    """Returns the 16 bytes of a UUID."""
    return None if text is None else bytes.fromhex(text.replace("-", ""))


def uuid_text(digits: str | None) -> str | None:
    """Returns a UUID of 36 characters from its 32 digits; None for none."""
    if not digits:
        return None
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def id_value(target: Target) -> bytes | str:
    """Returns the id of a target as its own row has it."""
    return bytes.fromhex(target.id.replace("-", "")) if target.kind in _UUIDS else target.id


def read_target(namespace: int, kind: str, digits: str) -> Target:
    """Returns the target that a row names by its kind and the hexadecimal digits of its id."""
    target_kind = _KINDS[kind]
    if target_kind in _UUIDS:
        return Target(target_kind, namespace, str(uuid_text(digits)))
    return Target(target_kind, namespace, bytes.fromhex(digits).decode())


def write_target(target: Target) -> tuple[str, bytes]:
    """Returns the kind and the id of a target, for a row that names it."""
    value = id_value(target)
    return target.kind._value_, value.encode() if isinstance(value, str) else value
