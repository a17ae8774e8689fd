"""Keys."""

from countermand.core.keys import Key
from countermand.rpc.wire.render.times import set_time
from countermand.v1 import key_service_pb2


def render_key(key: Key) -> key_service_pb2.Key:
    """Returns the message of a key."""
    message = key_service_pb2.Key(
        key_id=key.key_id,
        tenant=key.tenant,
        environment=key.environment,
        scopes=key.scopes,
        successor_key_id=key.successor_key_id,
        name=key.name,
        created_by=key.created_by,
        revoked_by=key.revoked_by,
    )
    set_time(message.create_time, key.create_time)
    set_time(message.expire_time, key.expire_time)
    set_time(message.revoke_time, key.revoke_time)
    set_time(message.last_use_time, key.last_use_time)
    if any(key.limits):
        message.limits.CopyFrom(key_service_pb2.KeyLimits(**key.limits._asdict()))
    return message
