"""The knobs of the server: calls, connections, keys and its process."""

from dataclasses import dataclass, field

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalKnobs:
    """How long requests are waited for that do not come at once, and how many of them."""

    timeout: float = 30.0
    """Seconds that a request may take to come, from the headers of its call on."""
    interval: float = 0.1
    """Seconds between two looks. A request that two of them find on its way is slow."""
    max_slow: int = 16
    """How many slow requests are waited for, of all callers together. gRPC keeps what has come of
    each: up to 4 MiB, whatever its method takes."""
    max_slow_per_address: int = 8
    """How many of them may be of one address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceKnobs:
    """In what pieces a large request is read, and what it may have."""

    max_bytes: int = 64 * 1024
    """How many bytes are read at one go, but for a field that is longer: 2 ms at worst."""
    max_fields: int = 2000
    """How many outermost fields of a large request are looked at in one go."""
    max_request_fields: int = 30_000
    """How many of them it may have: three times as many as there may be tasks."""
    max_field_bytes: int = MEBIBYTE
    """How many bytes one of them may have, together with its repeats if it has but one value: the
    largest order that is updated. Of empty fields that takes 20 ms to read, and 100 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightKnobs:
    """What counts as one more call of a key that has a limit."""

    bytes: int = 128 * 1024
    """How many bytes of a request and its answer together."""
    tasks: int = 50
    """How many tasks that a call creates: as many take as long as one call and its commit."""
    max_debt: float = 300.0
    """Seconds for which a key waits at most for what its calls have weighed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsKnobs:
    """How calls are bounded, and the lines that they cause in the log."""

    timeout: float = 30.0
    """Seconds that a call may take, whatever its client is ready to wait. Less than the age of a
    connection, so that no connection ends under its calls."""
    max_addresses: int = 10_000
    """How many addresses are told apart in one second; those above share one bucket."""
    arrivals: ArrivalKnobs = field(default_factory=ArrivalKnobs)
    pieces: PieceKnobs = field(default_factory=PieceKnobs)
    weights: WeightKnobs = field(default_factory=WeightKnobs)
    max_lines_per_second: int = 10
    """How many lines the log takes of what strangers cause."""
    max_lines_per_key: int = 2
    """How many lines per second it takes of refusals of one key for one reason."""
    max_named_lines: int = 1000
    """How many keys and reasons are told apart in that; those above share one bound."""
    max_counted_refusals: int = 1000
    """How many keys and reasons are told apart in each second of the last minute's refusals; those
    above are counted by their reasons alone."""
    max_hold: float = 1.0
    """Seconds that a refusal is held back at most; it is half of that at least, at random, so that
    callers who were refused together do not come again together."""
    free_refusals_per_second: int = 20
    """How many refusals per second are never held back, however small the limit."""
    max_held: int = 1000
    """How many refusals are held back at one time; those above go out at once."""
    max_held_strangers: int = 500
    """How many of those that have no right key."""


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
class KeyringKnobs:
    """How often the keyring writes, and reads again."""

    note_interval: float = 60.0
    """Seconds between two notes of when keys were used."""
    retry_interval: float = 1.0
    """Seconds to wait after a reading that the store refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKnobs:
    """What strangers may do: ask for health, and for the manual by reflection."""

    max_streams: int = 1000
    """How many streams may be open at once of each: health that is watched, and reflection. Check
    is always answered."""
    max_streams_per_address: int = 100
    """How many of them may be of one address."""
    max_answers_per_second: int = 100
    """How many questions an address is answered per second, each of health, of reflection, and of
    methods that there are not; others wait."""
    max_waiting: int = 200
    """How many of each kind wait at one time; those above are answered at once."""
    max_kept_bytes: int = 4 * MEBIBYTE
    """How many bytes of answers of reflection are kept ready."""
    asking: ArrivalKnobs = field(
        default_factory=lambda: ArrivalKnobs(timeout=5.0, max_slow=2, max_slow_per_address=1)
    )
    """Of those who ask for health."""
    reflecting: ArrivalKnobs = field(
        default_factory=lambda: ArrivalKnobs(timeout=10.0, max_slow=4, max_slow_per_address=2)
    )
    """Of those who ask for the manual, whose streams end when they are silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PagingKnobs:
    """How large pages are that callers list."""

    max_bytes: int = 3 * MEBIBYTE - 1024
    """How large a page may be, with room for its token. One that is larger alone goes alone."""
    max_summary_bytes: int = 3 * MEBIBYTE
    """How large a summary may be, which has no next page: what is counted least is left out."""
    max_results: int = 500
    """How many results of a cancel are rendered in one stretch. Those of ten thousand tasks would
    keep all others from the event loop for 50 ms."""


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
    store_interval: float = 0.25
    """Seconds between two looks at whether the store is away."""
    memory_interval: float = 10.0
    """Seconds between two times that memory is given back to the system."""
    max_heaps: int = 2
    """How many heaps all threads share. By default each has its own, and each has its holes:
    measured, 200,000 watches that came and went then left 5.5 MiB, and 3.5 with two."""
