"""The knobs of all that concerns watches."""

from dataclasses import dataclass, field

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HubKnobs:
    """What the hub keeps of the log for all watchers together."""

    max_bytes: int = 16 * MEBIBYTE
    """How much of the log all topics keep together."""
    max_batch: int = 4
    """How many entries a watcher takes at once. It holds them until its client took them, though
    the hub may have given them up meanwhile; so they are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowerKnobs:
    """How what other servers commit is heard of."""

    poll_interval: float = 0.05
    """Seconds between two looks at the ends of logs, if nothing tells of a commit before."""
    min_pause: float = 0.002
    """Seconds between two looks, however many hints come, so that what came meanwhile is read
    together."""
    max_away: float = 60.0
    """For how many seconds watches stay open, and say nothing new, while the store is away."""
    retry_interval: float = 0.25
    """Seconds between two tries to read for a watch while the store is away."""
    max_touched: int = 2_000
    """How many entries of a log are looked at for what they touch; beyond it, all is read anew that
    is watched there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagesKnobs:
    """What watchers hold of what they read from the store."""

    max_bytes: int = 8 * MEBIBYTE
    """How much all pages together keep."""
    page_size: int = 64
    """How many versions or tasks one reading takes, if not too many watchers read."""
    max_batch: int = 4
    """How many items of a page a watcher takes at once; no crowd makes pages smaller than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchersKnobs:
    """How long a watcher may take for a message."""

    write_timeout: float = 300.0
    """Seconds that a watcher may take nothing before it is ended."""
    sweep_interval: float = 1.0
    """Seconds between two looks at who takes nothing and whose key is not live any more."""
    blocked_after: float = 1.0
    """Seconds after which a client that takes nothing is shown as blocked. It is promised."""
    last_message_timeout: float = 1.0
    """Seconds that a watcher has to take the message that is on its way when its watch is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchingKnobs:
    """All that concerns watches."""

    hub: HubKnobs = field(default_factory=HubKnobs)
    follower: FollowerKnobs = field(default_factory=FollowerKnobs)
    pages: PagesKnobs = field(default_factory=PagesKnobs)
    watchers: WatchersKnobs = field(default_factory=WatchersKnobs)
