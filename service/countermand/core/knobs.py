"""The knobs: every bound of a page, batch, queue, cache, retry or wait that is ours to choose.

The defaults are the production values. The composition hands each part its own; no part reads them
from here. What the API promises (lengths of texts, the largest page) is no knob, and what an
operator may set is in the settings.
"""

from dataclasses import dataclass, field

from countermand.core.clock_knobs import ClockKnobs

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
    not 40, and the server 1.3 times the CPU (measured). Fewer would wait longer than they gain."""
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
    last_message_timeout: float = 1.0
    """Seconds that a watcher has to take the message that is on its way when its watch is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchingKnobs:
    """All that concerns watches."""

    hub: HubKnobs = field(default_factory=HubKnobs)
    pages: PagesKnobs = field(default_factory=PagesKnobs)
    watchers: WatchersKnobs = field(default_factory=WatchersKnobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsKnobs:
    """How calls are bounded, and the lines that they cause in the log."""

    timeout: float = 30.0
    """Seconds that a call may take, whatever its client is ready to wait. Less than the age of a
    connection, so that no connection ends under its calls."""
    max_addresses: int = 10_000
    """How many addresses are told apart in one second; those above share one bucket."""
    max_lines_per_second: int = 10
    """How many lines the log takes of what anybody can cause at will."""
    max_hold: float = 1.0
    """Seconds that a refusal is held back at most; it is half of that at least, at random, so that
    callers who were refused together do not come again together."""
    free_refusals_per_second: int = 20
    """How many refusals per second are never held back, however small the limit."""
    max_held: int = 1000
    """How many refusals are held back at one time; those above go out at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionKnobs:
    """What the server takes of a connection. The defaults of gRPC are not safe for long streams."""

    max_concurrent_streams: int = 200
    """Unlimited streams let one client that resets them starve all others, for these wait for up to
    as many calls as it may have open: measured, a cancel then has a p50 of 450 ms with 1,000
    streams, 85 with 300, and 50 with 200 or 100. With few, gRPC's overload protection refuses
    clients that call much at a time, since it counts streams that have ended and are not freed yet,
    at worst as many as are open: measured, with 100 it refused 124 of 4,000 calls of 90 at a time,
    with 200 none of these and 4 of those of 128."""
    max_metadata_bytes: int = 8 * 1024
    """Above it, gRPC refuses some calls at random."""
    absolute_max_metadata_bytes: int = 16 * 1024
    """Above it, it refuses all."""
    max_pending_requests: int = 12_000
    """How many calls may wait for the event loop; above it, gRPC refuses some at random."""
    max_pending_requests_hard_limit: int = 16_000
    """Above it, it refuses all."""
    max_idle_ms: int = 5 * 60_000
    max_age_ms: int = 60 * 60_000
    max_age_grace_ms: int = 60_000
    """How long the calls of a connection that has come of age may go on."""
    keepalive_time_ms: int = 30_000
    keepalive_timeout_ms: int = 10_000
    ping_timeout_ms: int = 10_000
    """It governs a frozen peer, which the keepalive timeout does not."""
    min_ping_interval_ms: int = 10_000
    """A client that pings more often is sent away."""
    handshake_timeout_ms: int = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKnobs:
    """What strangers may do: ask for health, and for the manual by reflection."""

    max_streams: int = 1000
    """How many of their streams may be open at once; Check is always answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagingKnobs:
    """How large pages are that callers list."""

    max_bytes: int = 3 * MEBIBYTE - 1024
    """How large a page may be, with room for its token. One that is larger alone goes alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKnobs:
    """How the process behaves."""

    max_young_objects: int = 10_000
    """How many new objects the garbage collector waits for before it looks at them. Ten thousand
    watches are a million objects. By default each 700 new ones set the collector off, which cost a
    third of the time in which that many watches come back, and held up every call."""
    switch_interval: float = 0.001
    """Seconds that a thread may run Python code while another waits to. The writer's asks ten times
    a commit, so with Python's 5 ms it waits while a hostile client keeps the event loop busy: under
    rapid reset the p99 of a good client's cancels is a quarter lower with this (measured)."""
    max_goodbye: float = 0.5
    """Seconds that a server that drains goes on to answer before it closes its port."""
    stalled_stream_timeout: float = 0.25
    """Seconds without the end of a stream after which a server that drains waits for no stream."""
    disconnect_timeout: float = 0.2
    """Seconds that clients have to close their connections in once nothing is owed on them."""
    close_timeout: float = 5.0
    """Seconds that the store may take to close after the drain. What was answered is on disk, so
    the process may then leave as if it were killed."""
    max_free_port_tries: int = 16
    """How many ports are tried for port 0 of a name with several addresses: one that is free on
    the first may be taken on the second."""
    failed_drain_timeout: float = 1.0
    """Seconds that calls have to end in when the server leaves because a part of it failed."""
    memory_interval: float = 10.0
    """Seconds between two times that memory is given back to the system."""
    max_heaps: int = 2
    """How many heaps all threads share. By default each has its own, and each has its holes:
    measured, 200,000 watches that came and went then left 5.5 MiB, and 3.5 with two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryKnobs:
    """How much is traced, and how long the last traces may take."""

    max_links: int = 128
    """Links on one span: what collectors take by default."""
    max_queue: int = 16_384
    """Spans that wait for the collector; when it is full, the oldest are lost."""
    shutdown_timeout: float = 2.0
    """Seconds to send what is left when the server leaves."""
    abort_timeout: float = 0.5
    """Seconds to end in once the sending was broken off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreKnobs:
    """How the store on SQLite works. Sizes of caches are in KiB."""

    max_statement_rows: int = 1024
    """How many rows of parameters one statement takes; SQLite takes 32,766 parameters."""
    max_scanned_rows: int = 10_000
    """How many rows one page looks at."""
    max_walked_events: int = 65_536
    """How many changes of one holder's tasks are looked for by walking back from the newest, which
    takes about 0.15 s; above it the log is read through, some rows a page."""
    max_cached_statements: int = 512
    """Kept in memory by each connection: one statement for each name and each of eleven sizes."""
    writer_cache_kib: int = 64 * 1024
    reader_cache_kib: int = 16 * 1024
    max_log_bytes: int = 64 * MEBIBYTE
    """How much of the write-ahead log may stay on the disk; above it the log is emptied by force,
    and after it truncated, so that one burst does not stay on disk."""
    checkpoint_interval: int = 256
    """How many commits may pass until it is noticed that the disk fails at emptying the log."""
    checkpoint_patience_ms: int = 100
    """How long an attempt at that waits for readings that began before it, and the next commit with
    it."""
    quick_threads: int = 1
    """How many threads find a few rows by their key."""
    max_quick_readings: int = 64
    """How many such readings are taken together."""
    long_threads: int = 2
    """How many threads read what may be many rows."""
    max_long_readings: int = 2
    """How many such readings are taken together, so that a long one keeps few others waiting."""
    watch_threads: int = 1
    """How many threads read pages for watches that catch up. More would take the interpreter lock
    from the event loop more often, and send no more."""
    max_watch_readings: int = 8
    """How many such readings are taken together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """All knobs of a server, by its parts."""

    clock: ClockKnobs = field(default_factory=ClockKnobs)
    pulse: PulseKnobs = field(default_factory=PulseKnobs)
    writer: WriterKnobs = field(default_factory=WriterKnobs)
    reaper: ReaperKnobs = field(default_factory=ReaperKnobs)
    purger: PurgerKnobs = field(default_factory=PurgerKnobs)
    keyring: KeyringKnobs = field(default_factory=KeyringKnobs)
    watching: WatchingKnobs = field(default_factory=WatchingKnobs)
    calls: CallsKnobs = field(default_factory=CallsKnobs)
    connections: ConnectionKnobs = field(default_factory=ConnectionKnobs)
    public: PublicKnobs = field(default_factory=PublicKnobs)
    paging: PagingKnobs = field(default_factory=PagingKnobs)
    server: ServerKnobs = field(default_factory=ServerKnobs)
    store: StoreKnobs = field(default_factory=StoreKnobs)
    telemetry: TelemetryKnobs = field(default_factory=TelemetryKnobs)
