"""The knobs: every bound of a page, batch, queue, cache, retry or wait that is ours to choose.

The defaults are the production values. The composition hands each part its own; no part reads them
from here. What the API promises (lengths of texts, the largest page) is no knob, and what an
operator may set is in the settings.
"""

from dataclasses import dataclass, field

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseKnobs:
    """How it is noticed that the process stood still."""

    interval: float = 0.25
    """Seconds between two beats."""
    standstill: float = 1.0
    """Seconds without a beat that count. No lease is shorter, so none can end unnoticed in one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterKnobs:
    """How the writer puts commands together."""

    max_batch: int = 1000
    """How many small commands one batch takes."""
    crowd: int = 8
    """How many commands, just committed or waiting, make the next batch gather. They share what a
    transaction costs beside its rows: with 256 calls in flight a batch took 13 without gathering,
    not 40, and the server 1.3 times the CPU (measured). Fewer would wait for longer than they
    gain."""
    gathering_step: float = 0.001
    """Seconds without a command that end the gathering."""
    max_gathering: float = 0.02
    """Seconds after which it ends in any case."""
    commit_timeout: float = 10.0
    """Seconds after which a commit counts as hung, and the process leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaperKnobs:
    """How the reaper ends what is due."""

    max_batch: int = 250
    """How many tasks one batch ends. A cancel waits for two batches at most; larger ones end no
    more tasks a second (measured: with 1000, cancels had a p50 of 110 ms instead of 20 in a
    storm)."""
    max_sleep: float = 60.0
    """Seconds after which it looks for what is due, though nothing woke it."""
    retry_interval: float = 1.0
    """Seconds to wait after a batch that the store refused."""
    max_catch_up: float = 0.5
    """Seconds that a server waits at its start for what came due while none ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgerKnobs:
    """How fast the purger removes what is old."""

    max_batch: int = 50
    """How many tasks one batch removes, with their events and cancellations some 350 rows."""
    pause: float = 0.05
    """Seconds between two batches, in which the writer is free for others."""
    interval: float = 600.0
    """Seconds between two rounds."""
    retry_interval: float = 1.0
    """Seconds to wait after a batch that the store refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyringKnobs:
    """How often the keyring writes, and reads again."""

    note_interval: float = 60.0
    """Seconds between two notes of when keys were used."""
    retry_interval: float = 1.0
    """Seconds to wait after a reading that the store refused."""


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

    pulse: PulseKnobs = field(default_factory=PulseKnobs)
    writer: WriterKnobs = field(default_factory=WriterKnobs)
    reaper: ReaperKnobs = field(default_factory=ReaperKnobs)
    purger: PurgerKnobs = field(default_factory=PurgerKnobs)
    keyring: KeyringKnobs = field(default_factory=KeyringKnobs)
    watching: WatchingKnobs = field(default_factory=WatchingKnobs)
