"""The knobs: every bound of a page, batch, queue, cache, retry or wait that is ours to choose.

The defaults are the production values. The composition hands each part its own; no part reads them
from here. What the API promises (lengths of texts, the largest page) is no knob, and what an
operator may set is in the settings.
"""

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
class PagesKnobs:
    """What watchers hold of what they read from the store."""

    max_bytes: int = 8 * MEBIBYTE
    """How much all pages together keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchKnobs:
    """How much of the store a watch reads at once."""

    log_page_size: int = 500
    """How many entries one reading takes. One of a group costs as much as all that is left."""
    snapshot_page_size: int = 100
    """How many tasks one reading takes."""
    history_page_size: int = 16
    """How many versions of one task one reading takes: more than most tasks ever have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchersKnobs:
    """How long a watcher may take for a message."""

    write_timeout: float = 300.0
    """Seconds that a watcher may take nothing before it is ended."""
    sweep_interval: float = 1.0
    """Seconds between two looks at who takes nothing and whose key is not live any more."""
    last_message_timeout: float = 1.0
    """Seconds that a watcher has to take the message that is on its way when its watch is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchingKnobs:
    """All that concerns watches."""

    hub: HubKnobs = field(default_factory=HubKnobs)
    pages: PagesKnobs = field(default_factory=PagesKnobs)
    watch: WatchKnobs = field(default_factory=WatchKnobs)
    watchers: WatchersKnobs = field(default_factory=WatchersKnobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """All knobs of a server, by its parts."""

    watching: WatchingKnobs = field(default_factory=WatchingKnobs)
