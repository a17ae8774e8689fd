"""API keys, and how much may be asked for with one."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from countermand.core.evolving import Record


class KeyState(StrEnum):
    """How a key stands."""

    LIVE = "LIVE"
    ROTATED = "ROTATED"
    """It is still accepted, and has a successor."""
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


class KeyLimits(NamedTuple):
    """How much may be asked for with one key; 0 means that there is no limit."""

    writes_per_second: int = 0
    reads_per_second: int = 0
    watches_per_second: int = 0
    """How many watches may be opened per second."""
    open_watches: int = 0
    """How many watches may be open at once."""


NO_LIMITS = KeyLimits()


class Namespace(NamedTuple):
    """Whose rows are numbered alike."""

    tenant: str
    environment: str


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
    last_use_time: int | None = None
    successor_key_id: str | None = None
    """The key that replaces this one."""
    limits: KeyLimits = NO_LIMITS
    namespace: int = 0
    """The number that stands for tenant and environment in every row."""
    name: str = ""
    """What people call it."""
    created_by: str = ""
    """The id of the key that made it, or a name of ours such as `system:store`; empty for a key of
    before this was kept."""
    revoked_by: str = ""
    """Likewise; empty while it is not revoked."""

    def live(self, now: int) -> bool:
        """Whether the key is accepted at this time."""
        return self.revoke_time is None and (self.expire_time is None or now < self.expire_time)

    def state(self, now: int) -> KeyState:
        """How the key stands at this time."""
        if self.revoke_time is not None:
            return KeyState.REVOKED
        if not self.live(now):
            return KeyState.EXPIRED
        return KeyState.LIVE if self.successor_key_id is None else KeyState.ROTATED


@dataclass(frozen=True, slots=True)
class NewKey:
    """Describes a key to create."""

    tenant: str
    environment: str
    scopes: tuple[str, ...]
    expire_time: int | None = None
    limits: KeyLimits = NO_LIMITS
    name: str = ""
