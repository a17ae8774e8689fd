"""What an API key looks like, and what is kept of it."""

import secrets
from hashlib import sha256

PREFIX = "cmd"
"""With which every secret begins, so that a scanner knows a leaked one."""


def make_secret(environment: str) -> tuple[str, str]:
    """Returns the id of a new key, and its secret with 256 random bits."""
    key_id = secrets.token_hex(8)
    return key_id, f"{PREFIX}_{environment}_{key_id}_{secrets.token_hex(32)}"


def hash_of(secret: str) -> bytes:
    """Returns what is kept of a secret."""
    return sha256(secret.encode()).digest()
