"""What is told of a key."""

from collections.abc import Iterable
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from countermand.cli.output import NONE, moment
from countermand.core.keys import KeyState
from countermand.v1.key_service_pb2 import Key

ADMIN = "keys:admin"


def account(key: Key) -> list[tuple[str, str]]:
    """Names and values; `-` is what there is nothing to say of."""
    return [
        ("key", key.key_id),
        ("name", key.name or NONE),
        ("state", state(key)),
        ("tenant", key.tenant),
        ("environment", key.environment),
        ("created", moment(key.create_time)),
        ("ends", moment(_end(key))),
        ("last use", moment(key.last_use_time)),
        ("successor", key.successor_key_id or NONE),
        ("limits", _limits(key)),
        ("created by", key.created_by or NONE),
        ("revoked by", key.revoked_by or NONE),
        ("scopes", ",".join(key.scopes)),
    ]


def state(key: Key) -> KeyState:
    """How the key stands by the clock of this machine."""
    if key.HasField("revoke_time"):
        return KeyState.REVOKED
    if key.HasField("expire_time") and key.expire_time.ToDatetime(UTC) <= datetime.now(UTC):
        return KeyState.EXPIRED
    return KeyState.ROTATED if key.successor_key_id else KeyState.LIVE


def is_admin(key: Key) -> bool:
    """Whether the key is accepted, and may manage keys."""
    return ADMIN in key.scopes and state(key) in (KeyState.LIVE, KeyState.ROTATED)


def ending(keys: Iterable[Key], before: datetime) -> list[Key]:
    """Returns the keys that are accepted now and end before a time, the next one first."""
    found = [
        key
        for key in keys
        if state(key) in (KeyState.LIVE, KeyState.ROTATED)
        and key.HasField("expire_time")
        and key.expire_time.ToDatetime(UTC) < before
    ]
    return sorted(found, key=lambda key: key.expire_time.ToNanoseconds())


def _end(key: Key) -> Timestamp:
    """When the key ceases to be accepted, or did; unset if it does not."""
    ends = [getattr(key, name) for name in ("expire_time", "revoke_time") if key.HasField(name)]
    return min(ends, key=Timestamp.ToNanoseconds, default=Timestamp())


def _limits(key: Key) -> str:
    limits = {field.name: limit for field, limit in key.limits.ListFields()}
    said = (f"{name}={limit}".replace("_per_second", "/s") for name, limit in limits.items())
    return ",".join(said) or NONE
