"""API keys, and how much may be asked for with one."""

from dataclasses import dataclass, field
from typing import NamedTuple

from countermand.core.records import Record


class KeyLimits(NamedTuple):
    """How much may be asked for with one key; 0 means that there is no limit."""

    writes_per_second: int = 0
    reads_per_second: int = 0
    watches_per_second: int = 0
    """How many watches may be opened per second."""
    open_watches: int = 0
    """How many watches may be open at once."""


NO_LIMITS = KeyLimits()


@dataclass(frozen=True)
class Key(Record):
    """One API key. The store keeps the hash of its secret, never the secret."""

    key_id: str
    tenant: str
    environment: str
    scopes: tuple[str, ...]
    secret_hash: bytes = field(repr=False)
    create_time: int
    expire_time: int | None = None
    revoke_time: int | None = None
    limits: KeyLimits = NO_LIMITS
    namespace: int = 0
    """The number that stands for tenant and environment in every row."""

    def live(self, now: int) -> bool:
        """Whether the key is accepted at this time."""
        return self.revoke_time is None and (self.expire_time is None or now < self.expire_time)
