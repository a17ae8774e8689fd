"""The knobs of the stores."""

from dataclasses import dataclass, field

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresKnobs:
    """How the store on PostgreSQL reaches its server. All times are in seconds."""

    connect_timeout: float = 2.0
    """To connect to one server in; libpq takes no less."""
    max_search: float = 4.5
    """For one round of trying each of the servers; no more are tried then."""
    open_timeout: float = 4.8
    """For a server to be reached in when the store is opened."""
    handover_timeout: float = 1.0
    """How long a server that opens a store waits for one that has just left it."""
    handover_pause: float = 0.02
    """Between two looks at whether it has."""
    reconnect_interval: float = 0.1
    """Between two rounds while no server takes writes, about."""
    max_wait: float = 10.0
    """How long a reading, or a commit, may wait for the server before its connection is broken."""
    look_interval: float = 0.25
    """Between two looks at whether a connection waits too long."""
    ping_interval: float = 1.0
    """After which an idle writer asks whether its server is still there."""
    away_after: float = 2.0
    """Without an answer to the writer, after which the server says that it is not well."""
    idle_transaction_timeout: float = 2.0
    """After which the server ends a transaction of a writer that was frozen, so that others can
    write its tenants."""
    large_transaction_timeout: float = 10.0
    """The same for one with a large command. To decide a cascade of 10,000 tasks takes seconds on a
    busy machine, for which it is idle to the server; what takes longer than `max_commit` the writer
    gives up itself."""
    lock_timeout: float = 2.0
    """How long a transaction waits for what another has locked."""
    pulse_interval: float = 0.5
    """Between two notes of what the clock of all servers of the store says."""
    outage: float = 3.0
    """Without such a note, after which agents could not renew their leases."""
    close_timeout: float = 2.0
    """To end a thread in."""
    migration_lock_timeout: float = 2.0
    """How long a step of a migration waits for a lock, behind which every server waits."""
    migration_pause: float = 0.5
    """Between two tries of a step that did not get its locks."""
    max_migration_tries: int = 60
    """How often a step is tried."""
    max_prepared: int = 512
    """How many statements the server keeps for one connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreKnobs:
    """How the stores work; what is not said of PostgreSQL is of SQLite. Sizes of caches are in
    KiB."""

    postgres: PostgresKnobs = field(default_factory=PostgresKnobs)

    max_statement_rows: int = 1024
    """How many rows of parameters one statement takes; SQLite takes 32,766 parameters."""
    steps_between_looks: int = 100_000
    """After how many steps of SQLite a statement of a commit looks whether it is broken off: some
    ten milliseconds."""
    max_scanned_rows: int = 10_000
    """How many rows one page looks at."""
    max_namespaces: int = 100
    """Of how many namespaces one page of an operator's list reads."""
    max_walked_events: int = 65_536
    """How many changes of one holder's tasks are looked for by walking back from the newest, which
    takes about 0.15 s; above it the log is read through, some rows a page."""
    max_copied_rows: int = 10_000
    """How many rows a copy into another database takes in one transaction."""
    max_cached_statements: int = 512
    """Kept in memory by each connection: one statement for each name and each of eleven sizes."""
    writer_cache_kib: int = 64 * 1024
    reader_cache_kib: int = 16 * 1024
    max_log_bytes: int = 64 * MEBIBYTE
    """How much of the write-ahead log may stay on the disk; above it the log is emptied by force,
    and after it truncated, so that one burst does not stay on disk."""
    min_free_bytes: int = 16 * MEBIBYTE
    """How much of the disk is kept for cancels, ends and settlements: what creates something is
    refused when no more is free. It is promised."""
    checkpoint_pages: int = 1000
    """How many pages the log has when it is copied into the file."""
    checkpoint_patience_ms: int = 100
    """How long an attempt to empty the log waits for readings that began before it, and the next
    commit with it."""
    watch_interval: float = 1.0
    """Seconds between two looks at whether the store's files are still where they were."""
    looks_before_shrinking: int = 20
    """After so many looks since the last command of a caller the pages of the file are not kept in
    memory any more: after a burst these are 64 MiB of the writer's, and 16 of each reader's."""
    quick_threads: int = 1
    """How many threads find a few rows by their key."""
    max_quick_readings: int = 64
    """How many such readings are taken together."""
    long_threads: int = 3
    """How many threads read what may be many rows. One tenant has all but one of them at most."""
    max_long_readings: int = 2
    """How many such readings are taken together, so that a long one keeps few others waiting."""
    agent_threads: int = 1
    """How many threads find what agents are to stop."""
    max_agent_readings: int = 8
    """How many such readings are taken together."""
    watch_threads: int = 1
    """How many threads read pages for watches that catch up. More would take the interpreter lock
    from the event loop more often, and send no more."""
    max_watch_readings: int = 8
    """How many such readings are taken together."""
