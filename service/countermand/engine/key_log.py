"""What the log has of keys: one line for each that was created, rotated or revoked."""

import logging

from countermand.core.commands import CreateKey, RevokeKey, RotateKey
from countermand.core.keys import Key
from countermand.telemetry.logs import fields

log = logging.getLogger(__name__)


def log_key_change(command: CreateKey | RevokeKey | RotateKey, key: Key, by: str) -> None:
    """Leaves one line of what was done with a key, and by whose."""
    said: dict[str, object] = {
        "key_id": key.key_id,
        "tenant": key.tenant,
        "environment": key.environment,
        "by": by,
    }
    match command:
        case CreateKey():
            log.info("key created", extra=fields(**said, scopes=list(key.scopes)))
        case RotateKey():
            log.info("key rotated", extra=fields(**said, replaces=command.key_id))
        case RevokeKey():
            log.info("key revoked", extra=fields(**said))
