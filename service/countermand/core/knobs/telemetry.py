"""The knobs of traces, of metrics and of the log."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapingKnobs:
    """What the port takes at which metrics are read."""

    max_connections: int = 8
    """How many are served at once; others wait in the queue of the kernel."""
    timeout: float = 5.0
    """Seconds from the accept of a connection to the last byte of its answer."""
    max_header_bytes: int = 8 * 1024
    """How large a request may be."""
    rest_ratio: int = 9
    """For how many times the CPU time of a reading none is begun after it: readers take at most a
    tenth of the interpreter, however many there are."""
    retry_interval: float = 0.1
    """Seconds to wait after the system had no descriptor left for a connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryKnobs:
    """How much is traced and logged, and how long the last of it may take."""

    max_links: int = 128
    """Links on one span: what collectors take by default."""
    max_batch: int = 512
    """Spans that are sent in one request, if so many wait."""
    max_queue: int = 16_384
    """Spans that wait for the collector; when it is full, the oldest are lost."""
    max_log_bytes: int = 1024 * 1024
    """Bytes of the log that wait for who reads standard error; lines above it are left out."""
    max_places: int = 8
    """How many places in the code a line names for an error in a library."""
    log_timeout: float = 0.5
    """Seconds that the end of the process waits for the log."""
    shutdown_timeout: float = 0.2
    """Seconds to send what is left of spans and metrics when the last call is answered. Most was
    sent while the server drained: one that owes nobody anything is to be gone within a second."""
    abort_timeout: float = 0.02
    """Seconds to end in once the sending was broken off; for spans, and then for metrics."""
    push_interval: float = 60.0
    """Seconds between two times that metrics are sent, unless OTEL_METRIC_EXPORT_INTERVAL says
    otherwise."""
    store_interval: float = 10.0
    """Seconds between two looks at how the store stands."""
    scraping: ScrapingKnobs = field(default_factory=ScrapingKnobs)
